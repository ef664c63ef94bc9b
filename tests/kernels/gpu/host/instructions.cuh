// What a warp's instructions do, for a C compiler: CUDA C of the package runs with this on a CPU.
//
// It takes the place of the package's own instructions.cuh. A block's threads take turns, each a
// coroutine that runs until it has to wait for others. What lies where in registers is written down
// here once more, from PTX's tables and by nothing that the package has. Copies that are begun arrive
// as late as they may, or at once (EAGER). Shared memory begins as NaN. Reading outside of what was
// registered, or at an odd address, ends the run with a message.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define __global__
#define __shared__
#define __launch_bounds__(...)
#define SHARED static
#define KERNEL
#define DEVICE static inline
#define ALIGN(bytes) __attribute__((aligned(bytes)))
#define GLOBAL(type, at) (*(type *)checked(at, sizeof(type)))

typedef uint16_t u16;
typedef struct { unsigned x, y, z, w; } ALIGN(16) uint4;
typedef struct { float x, y; } ALIGN(8) float2;
typedef struct { unsigned x, y, z; } place3;

enum { MOST = 256, SHARED_BYTES = 227 * 1024, QUEUE = 4096, STACK = 1 << 17 };

uint4 shared[SHARED_BYTES / 16];
static place3 threadIdx, blockIdx;
static int conflicts;  // turns that ldmatrix took beyond those it needs

char failure[200];  // what went wrong, if something did

static void leave(void);

static void fail(const char *what) {
    if (!*failure)
        snprintf(failure, sizeof failure, "block (%u, %u), thread %u %s", blockIdx.x, blockIdx.y,
                 threadIdx.x, what);
    leave();
}

// -- threads ---------------------------------------------------------------------------------------

typedef struct { int arrived, generation; } barrier;
typedef struct { unsigned to; const void *from; int inside, group; } copy;
typedef struct {
    ucontext_t context;
    int ended, groups, queued;
    copy queue[QUEUE];
} thread;
typedef struct { uint4 a[2][32], b[2][32]; unsigned word[2][32]; int turn[32]; } warp_state;

static thread threads[MOST];
static char stacks[MOST][STACK];
static ucontext_t scheduler;
static int count, now, progress;
static barrier block_barrier, warp_barriers[MOST];
static warp_state warps[MOST / 32];

static void wait_for(barrier *at, int parties) {
    int generation = at->generation;
    progress = 1;
    if (++at->arrived == parties) {
        at->arrived = 0;
        ++at->generation;
        return;
    }
    while (at->generation == generation) swapcontext(&threads[now].context, &scheduler);
}

// Let the thread that runs never run again; the block ends.
static void leave(void) {
    for (;;) swapcontext(&threads[now].context, &scheduler);
}

static int __popc(unsigned x) { return __builtin_popcount(x); }

static void __syncthreads(void) { wait_for(&block_barrier, count); }

static void __syncwarp(unsigned mask) {
    if (!(mask >> threadIdx.x % 32 & 1)) fail("waits in __syncwarp without being in its mask");
    wait_for(&warp_barriers[threadIdx.x / 32 * 32 + __builtin_ctz(mask)], __builtin_popcount(mask));
}

// Wait for the warp, and return which of two places to use: none is written while others read it.
static int meet(int lane) {
    warp_state *w = &warps[threadIdx.x / 32];
    wait_for(&warp_barriers[threadIdx.x / 32 * 32], 32);
    return w->turn[lane]++ % 2;
}

static void body(void);  // the kernel with its arguments

static void run_thread(void) {
    body();
    threads[now].ended = 1;
    progress = 1;
    swapcontext(&threads[now].context, &scheduler);
}

static void run_block(int size) {
    count = size;
    memset(shared, 0xff, sizeof shared);
    memset(&block_barrier, 0, sizeof block_barrier);
    memset(warp_barriers, 0, sizeof warp_barriers);
    memset(warps, 0, sizeof warps);
    for (int t = 0; t < size; ++t) {
        threads[t].ended = threads[t].groups = threads[t].queued = 0;
        getcontext(&threads[t].context);
        threads[t].context.uc_stack.ss_sp = stacks[t];
        threads[t].context.uc_stack.ss_size = STACK;
        threads[t].context.uc_link = &scheduler;
        makecontext(&threads[t].context, run_thread, 0);
    }
    for (int left = size; left;) {
        progress = left = 0;
        for (int turn = 0; turn < size; ++turn) {
            int t = BACKWARD ? size - 1 - turn : turn;
            if (threads[t].ended) continue;
            now = t;
            threadIdx.x = t;
            swapcontext(&scheduler, &threads[t].context);
            if (*failure) return;
            left += !threads[t].ended;
        }
        if (left && !progress) {
            strcpy(failure, "threads wait for others that have ended or wait elsewhere");
            return;
        }
    }
}

// -- memory ----------------------------------------------------------------------------------------

static struct { const char *from; size_t bytes; } regions[16];
static int region_count;

static void register_region(const void *from, size_t bytes) {
    regions[region_count].from = from;
    regions[region_count++].bytes = bytes;
}

static void must_be_inside(const void *at, size_t bytes) {
    const char *p = at;
    for (int i = 0; i < region_count; ++i)
        if (p >= regions[i].from && p + bytes <= regions[i].from + regions[i].bytes) return;
    fail("reads outside of all arrays");
}

static void *checked(const void *at, size_t bytes) {
    must_be_inside(at, bytes);
    if ((uintptr_t)at % bytes) fail("is at an address that is no multiple of the size");
    return (void *)at;
}

static unsigned place_of(const void *x) { return (unsigned)((const char *)x - (const char *)shared); }

static void *at_place(unsigned place) {
    if (place % 16) fail("an address in shared memory is no multiple of 16");
    if (place + 16 > SHARED_LIMIT) fail("an address is outside of the block's shared memory");
    return (char *)shared + place;
}

static void arrive(copy c) {
    if (c.inside) memcpy(at_place(c.to), c.from, 16);
    else memset(at_place(c.to), 0, 16);
}

static void copy_async(unsigned to, const void *from, int inside) {
    if (inside) {
        must_be_inside(from, 16);
        if ((uintptr_t)from % 16) fail("cp.async reads from an address that is no multiple of 16");
    }
    at_place(to);
    copy c = {to, from, inside, threads[now].groups};
    if (EAGER) arrive(c);
    else if (threads[now].queued == QUEUE) fail("too many copies are on their way");
    else threads[now].queue[threads[now].queued++] = c;
}

static void copy_singly(unsigned to, const u16 *from, int inside) {
    u16 eight[8] = {0};
    for (int i = 0; i < 8 && i < inside; ++i) {
        must_be_inside(&from[i], 2);
        eight[i] = from[i];
    }
    memcpy(at_place(to), eight, 16);
}

static void copies_begun(void) { ++threads[now].groups; }

static void WAIT_FOR_COPIES(int groups) {
    thread *t = &threads[now];
    int kept = 0;
    for (int i = 0; i < t->queued; ++i) {
        if (t->queue[i].group < t->groups - groups) arrive(t->queue[i]);
        else t->queue[kept++] = t->queue[i];
    }
    t->queued = kept;
}

// -- numbers of 16 bits ----------------------------------------------------------------------------

static float widen(u16 x) {
#if BFLOAT
    uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, 4);
    return y;
#else
    _Float16 y;
    memcpy(&y, &x, 2);
    return (float)y;
#endif
}

static u16 narrow(float x) {
#if BFLOAT
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if (x != x) return 0x7fff;
    return (u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#else
    _Float16 y = (_Float16)x;
    u16 bits;
    memcpy(&bits, &y, 2);
    return bits;
#endif
}

static float half_of(const uint4 *held, int element) {
    u16 x;
    memcpy(&x, (const char *)held + 2 * element, 2);
    return widen(x);
}

// -- the tensor core -------------------------------------------------------------------------------

static uint4 load_matrices_transposed(unsigned row) {
    int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    warp_state *w = &warps[threadIdx.x / 32];
    at_place(row);
    w->word[w->turn[lane] % 2][lane] = row;
    const unsigned *rows = w->word[meet(lane)];
    u16 held[8];
    for (int i = 0; i < 4; ++i) {
        for (int half = 0; half < 2; ++half)
            held[2 * i + half] = ((const u16 *)at_place(rows[8 * i + 2 * t + half]))[g];
        for (int r = 1; lane == 0 && r < 8; ++r)
            for (int s = 0; s < r; ++s)
                conflicts += rows[8 * i + r] / 16 % 8 == rows[8 * i + s] / 16 % 8;
    }
    uint4 all;
    memcpy(&all, held, 16);
    return all;
}

// A[m, k] of 16 x 16: which lane has it, as which of its eight elements.
static float element_of_a(const uint4 *a, int m, int k) {
    return half_of(&a[m % 8 * 4 + k % 8 / 2], (m / 8 + k / 8 * 2) * 2 + k % 2);
}

// B[k, n]: likewise.
static float element_of_b(const uint4 *b, int k, int n) {
    return half_of(&b[n * 4 + k % 8 / 2], k / 8 * 2 + k % 2);
}

static void mma(float *c, uint4 a, unsigned b0, unsigned b1) {
    int lane = threadIdx.x % 32;
    warp_state *w = &warps[threadIdx.x / 32];
    int mine = w->turn[lane] % 2;
    w->a[mine][lane] = a;
    w->b[mine][lane] = (uint4){b0, b1, 0, 0};
    int turn = meet(lane);
    for (int i = 0; i < 4; ++i)
        for (int k = 0; k < 16; ++k)
            c[i] += element_of_a(w->a[turn], lane / 4 + i / 2 * 8, k) *
                    element_of_b(w->b[turn], k, lane % 4 * 2 + i % 2);
}

static void mma_sp(float *c, uint4 a, uint4 b, unsigned metadata, int selector) {
    int lane = threadIdx.x % 32;
    warp_state *w = &warps[threadIdx.x / 32];
    int mine = w->turn[lane] % 2;
    w->a[mine][lane] = a;
    w->b[mine][lane] = b;
    w->word[mine][lane] = metadata;
    int turn = meet(lane);
    for (int i = 0; i < 4; ++i) {
        int m = lane / 4 + i / 2 * 8;
        for (int slot = 0; slot < 16; ++slot) {
            // Lanes 0 and 1 of four, or 2 and 3, have 16 columns each of rows g and g + 8.
            unsigned word = w->word[turn][m % 8 * 4 + selector * 2 + slot / 8];
            int position = word >> (m / 8 * 16 + slot % 8 * 2) & 3;
            c[i] += element_of_a(w->a[turn], m, slot) *
                    element_of_b(w->b[turn], slot / 2 * 4 + position, lane % 4 * 2 + i % 2);
        }
    }
}
