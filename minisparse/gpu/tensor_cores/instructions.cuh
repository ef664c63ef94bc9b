// The instructions that CUDA C has no words for, each in a function of its own, and numbers of 16
// bits. warp.py has the same functions for all lanes of a warp at once, in NumPy.
//
// What is written with these is C as well as C++, and includes nothing: it compiles in a tenth of a
// second, and a C compiler with other definitions of these functions can run it on a CPU.

#define KERNEL extern "C" __global__
#define DEVICE static __device__ __forceinline__
#define ALIGN(bytes) __align__(bytes)
#define SHARED __shared__
// What lies in global memory, to be read or written at once, at a multiple of the type's size.
#define GLOBAL(type, at) (*(type *)(at))

typedef unsigned short u16;  // the bits of a float16 or bfloat16

// -- numbers of 16 bits: BFLOAT says which ---------------------------------------------------------

DEVICE float widen(u16 x) {
#if BFLOAT
    return __uint_as_float((unsigned)x << 16);
#else
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
#endif
}

DEVICE u16 narrow(float x) {
    u16 y;
#if BFLOAT
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
#else
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
#endif
    return y;
}

// -- copies from global to shared memory that go on while the thread does other things --------------

// Where something lies in shared memory, in bytes: 32 bits instead of a pointer's 64.
DEVICE unsigned place_of(const void *shared) { return (unsigned)__cvta_generic_to_shared(shared); }

// Copy 16 bytes, or write 16 bytes of zeros and read nothing; both addresses are multiples of 16.
DEVICE void copy_async(unsigned to, const void *from, int inside) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 ::"r"(to), "l"(from), "r"(inside ? 16 : 0) : "memory");
}

// Copy eight numbers of 16 bits, wherever they lie, one after the other; those from `count` on are 0.
DEVICE void copy_singly(unsigned to, const u16 *from, int count) {
    unsigned pair[4];
    for (int i = 0; i < 4; ++i)
        pair[i] = (2 * i < count ? from[2 * i] : 0u) |
                  (2 * i + 1 < count ? from[2 * i + 1] : 0u) << 16;
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};"
                 ::"r"(to), "r"(pair[0]), "r"(pair[1]), "r"(pair[2]), "r"(pair[3]) : "memory");
}

// What was begun since the last call is one group.
DEVICE void copies_begun(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Wait until at most so many of the thread's groups are on their way; a constant.
#define WAIT_FOR_COPIES(groups) asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory")

// -- the tensor core -------------------------------------------------------------------------------

// Four 8 x 8 matrices of 16 bits from shared memory, each transposed: lane 8 i + r has the address
// of row r of matrix i, and gets elements (2 t, g) and (2 t + 1, g) of each; g = lane / 4, t = lane % 4.
DEVICE uint4 load_matrices_transposed(unsigned row) {
    uint4 held;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(held.x), "=r"(held.y), "=r"(held.z), "=r"(held.w) : "r"(row) : "memory");
    return held;
}

#if BFLOAT
#define NUMBERS ".f32.bf16.bf16.f32"
#else
#define NUMBERS ".f32.f16.f16.f32"
#endif

// C[16, 8] += A[16, 16] @ B[16, 8]
DEVICE void mma(float *c, uint4 a, unsigned b0, unsigned b1) {
    asm("mma.sync.aligned.m16n8k16.row.col" NUMBERS
        " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
}

// C[16, 8] += A[16, 32] @ B[32, 8], A being 2:4. The selector is a constant of the instruction.
#define MMA_SP(SELECTOR)                                                                           \
    asm("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col" NUMBERS                           \
        " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9, %10, %11}, {%0, %1, %2, %3}, %12, "         \
        SELECTOR ";"                                                                               \
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                           \
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y), "r"(b.z), "r"(b.w),          \
          "r"(metadata))

DEVICE void mma_sp(float *c, uint4 a, uint4 b, unsigned metadata, int selector) {
    if (selector) MMA_SP("0x1");
    else MMA_SP("0x0");
}
