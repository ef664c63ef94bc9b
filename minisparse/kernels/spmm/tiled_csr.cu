// C = A @ B for A [M, K] in CSR, B [K, N] and C [M, N] dense, without tensor cores. tiled_csr.py
// chooses the constants and launches this, and has the same steps in NumPy.
//
// One-dimensional tiles, after Gale, Zaharia, Young and Elsen, "Sparse GPU kernels for deep
// learning", SC 2020: LANES neighboring threads own a row of A and TILE_N columns of C, whose sums
// they keep in registers. They fetch LANES entries of the row at a time, one each, to shared memory,
// and go through these together: each entry's row of B is read in pieces of 16 bytes, side by side.
// Rows are taken longest first, so that those beside each other in a warp take equally long.

#include "instructions.cuh"

// Constants, each given by -D; these defaults are for reading, and for an editor's compiler.
#ifndef LANES
#define LANES 32       // threads of a row
#define VECTOR 4       // neighboring columns that a thread reads at once
#define REPEAT 1       // times that it does so, LANES * VECTOR columns apart
#define THREADS 128    // of a block
#define ELEMENT float  // of A, B and C; u16 for float16, and for bfloat16 with BFLOAT
#define SUM float      // in which is summed
#define INDEX int      // of indptr and indices
#define BFLOAT 0
#define BIAS 0         // whether bias[m] is added to row m
#define RELU 0         // whether the greater of C and 0 is kept
#endif

#define TILE_N (LANES * VECTOR * REPEAT)
#define ROWS (THREADS / LANES)

#define IS_HALF (sizeof(ELEMENT) == 2)
#define READ(x) (IS_HALF ? (SUM)widen((u16)(x)) : (SUM)(x))
#define ROUND(x) (IS_HALF ? (ELEMENT)narrow((float)(x)) : (ELEMENT)(x))

typedef struct { ELEMENT at[VECTOR]; } ALIGN(VECTOR * sizeof(ELEMENT)) vector;
typedef struct { SUM value; INDEX column; } ALIGN(sizeof(SUM) + sizeof(INDEX) > 8 ? 16 : 8) entry;

// Return an element of C: rounded, then finished in the steps in which separate ops would do it.
DEVICE ELEMENT finished(SUM x, SUM bias) {
    ELEMENT y = ROUND(x);
#if BIAS
    y = ROUND(READ(y) + bias);
#endif
#if RELU
    if (READ(y) < 0) y = 0;
#endif
    return y;
}

// order: the rows, longest first. Eight blocks on a multiprocessor leave each thread 64 registers;
// told nothing, the compiler squeezes some variants into 32, and spills.
KERNEL void __launch_bounds__(THREADS, 8)
tiled_csr(const int *order, const INDEX *indptr, const INDEX *indices, const ELEMENT *data,
          const ELEMENT *b, const ELEMENT *bias, ELEMENT *c, int M, int N) {
    SHARED entry strips[THREADS];
    const int lane = threadIdx.x % LANES, slot = blockIdx.x * ROWS + threadIdx.x / LANES;
    const unsigned others = (LANES == 32 ? ~0u : (1u << LANES % 32) - 1)
                            << threadIdx.x % 32 / LANES * LANES;
    entry *strip = &strips[threadIdx.x / LANES * LANES];
    const int m = slot < M ? order[slot] : 0;
    const INDEX stop = slot < M ? indptr[m + 1] : 0;
    int n[REPEAT], from[REPEAT];
    SUM sum[REPEAT][VECTOR];
#pragma unroll
    for (int r = 0; r < REPEAT; ++r) {
        n[r] = blockIdx.y * TILE_N + (r * LANES + lane) * VECTOR;
        from[r] = n[r] < N ? n[r] : 0;  // beyond the edge: some column that can be read
        for (int e = 0; e < VECTOR; ++e) sum[r][e] = 0;
    }
    entry next = {0, 0};
#define LOAD(p)                                                                                    \
    if ((p) < stop) {                                                                              \
        next.value = READ(GLOBAL(ELEMENT, &data[p]));                                              \
        next.column = GLOBAL(INDEX, &indices[p]);                                                  \
    }

    INDEX p = slot < M ? indptr[m] : 0;
    LOAD(p + lane)
    for (; p < stop; p += LANES) {
        strip[lane] = next;
        __syncwarp(others);
        LOAD(p + LANES + lane)  // of the next strip, while this one is gone through
        const int count = stop - p < LANES ? (int)(stop - p) : LANES;
#pragma unroll 4
        for (int j = 0; j < count; ++j) {
            const entry found = strip[j];
            const ELEMENT *line = b + (size_t)found.column * N;
#pragma unroll
            for (int r = 0; r < REPEAT; ++r) {
                const vector piece = GLOBAL(vector, line + from[r]);
#pragma unroll
                for (int e = 0; e < VECTOR; ++e) sum[r][e] += found.value * READ(piece.at[e]);
            }
        }
        __syncwarp(others);
    }
    if (slot >= M) return;
    SUM shift = 0;
#if BIAS
    shift = READ(bias[m]);
#endif
#pragma unroll
    for (int r = 0; r < REPEAT; ++r) {
        if (n[r] >= N) continue;
        vector piece;
        for (int e = 0; e < VECTOR; ++e) piece.at[e] = finished(sum[r][e], shift);
        GLOBAL(vector, &c[(size_t)m * N + n[r]]) = piece;
    }
}
