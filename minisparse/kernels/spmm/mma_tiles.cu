// C = A @ B on tensor cores: A [M, K] in tiles of TILE_M x TILE_K of which only some are stored, B
// [K, N] and C [M, N] dense. A tile is dense, or 2:4 (SPARSE). tiles.py packs A, mma_tiles.py chooses
// the constants and launches this, mma_model.py does the same steps in NumPy.
//
// A block of threads owns GROUP rows of tiles and TILE_N columns of C, whose sums lie in registers.
// Step by step it copies TILE_K rows of B to shared memory, with all tiles of its rows that meet them,
// and multiplies. STAGES such steps are on their way at once: while one is multiplied, the next ones
// arrive. Tiles lie in memory as fragments, in the order in which they are used, so that what a lane
// needs of A is one load of 16 bytes. B is swizzled, for ldmatrix to find it without bank conflicts.

#include "instructions.cuh"

// Constants, each given by -D; these defaults are for reading, and for an editor's compiler.
#ifndef TILE_M
#define TILE_M 32   // rows of a tile of A: 16, 32 or 64
#define TILE_K 32   // columns of a tile of A
#define GROUP 8     // rows of tiles that a block of threads owns
#define TILE_N 128  // columns of C that it owns
#define STAGES 4    // steps that are in shared memory
#define WARPS_M 2   // warps that share the rows of tiles; divides GROUP
#define WARPS_N 4   // warps that share the columns
#define SPARSE 0    // whether tiles are 2:4
#define BFLOAT 0    // whether A and B are bfloat16, else float16
#define WIDE 0      // whether C is float32, else as A
#define ALIGNED 1   // whether rows of B and C begin at multiples of 16 bytes
#define BIAS 0      // whether bias[m] is added to row m
#define RELU 0      // whether the greater of C and 0 is kept
#endif

#define THREADS (32 * WARPS_M * WARPS_N)
#define DEPTH (SPARSE ? 32 : 16)       // columns of A that one mma takes
#define OWN (GROUP / WARPS_M)          // rows of tiles that a warp owns
#define ROWS_16 (TILE_M / 16)          // tiles of 16 rows in one of them
#define COLS_8 (TILE_N / WARPS_N / 8)  // tiles of 8 columns of a warp

// Shared memory is counted in pieces of 16 bytes: eight numbers of A or B, or four lanes' metadata.
#define VALUES (TILE_M * TILE_K / (SPARSE ? 2 : 1) / 8)  // of a tile of A
#define METADATA (SPARSE ? TILE_M * TILE_K / 128 : 0)
#define ROW (TILE_N / 8)                                 // in a row of B's tile
#define STAGE (GROUP * (VALUES + METADATA) + TILE_K * ROW)

#if WIDE
typedef float result;
#define ROUND(x) (x)
#define READ(x) (x)
#else
typedef u16 result;
#define ROUND(x) narrow(x)
#define READ(x) widen(x)
#endif

// A step of a block of threads: the row of B that it begins with, a bit for each of the GROUP rows of
// tiles that has a tile there, and the number of the first of these tiles; the others follow.
typedef struct { int k0, mask, slot, unused; } ALIGN(16) step_type;

// Where piece number `piece` of row k of B's tile lies.
DEVICE int swizzled(int k, int piece) { return k * ROW + (piece ^ (k & 7)); }

// Begin to copy what a step multiplies to the stage at `to`. Each thread copies every THREADS-th piece.
DEVICE void fetch(unsigned to, step_type step, const uint4 *values, const uint4 *metadata,
                  const u16 *b, int n0, int N, int K) {
    const int tiles = GROUP == 1 ? 1 : __popc(step.mask);
    values += (size_t)step.slot * VALUES;
    metadata += (size_t)step.slot * METADATA;
#if GROUP == 1
#pragma unroll
#else
#pragma unroll 1
#endif
    for (int turn = 0; turn < tiles * VALUES; turn += THREADS) {
        int i = turn + threadIdx.x;
        if (i < tiles * VALUES) copy_async(to + i * 16, &values[i], 1);
    }
#pragma unroll 1
    for (int turn = 0; turn < tiles * METADATA; turn += THREADS) {
        int i = turn + threadIdx.x;
        if (i < tiles * METADATA) copy_async(to + (GROUP * VALUES + i) * 16, &metadata[i], 1);
    }
    // THREADS is a multiple of ROW: a thread copies the same columns of several rows.
    const int first = threadIdx.x / ROW, piece = threadIdx.x % ROW, n = n0 + piece * 8;
    const u16 *from = b + (size_t)(step.k0 + first) * N + n;
#if ALIGNED
#pragma unroll
#else
#pragma unroll 1
#endif
    for (int turn = 0; turn < (TILE_K * ROW + THREADS - 1) / THREADS; ++turn) {
        int k = turn * (THREADS / ROW) + first;
        if (TILE_K * ROW % THREADS && k >= TILE_K) break;
        unsigned place = to + (GROUP * (VALUES + METADATA) + swizzled(k, piece)) * 16;
#if ALIGNED
        copy_async(place, from, step.k0 + k < K && n < N);
#else
        copy_singly(place, from, step.k0 + k < K ? N - n : 0);
#endif
        from += (size_t)(THREADS / ROW) * N;
    }
}

// Multiply what a step has copied, and add it to the warp's part of C.
DEVICE void multiply(const uint4 *stage, unsigned place, int mask, int lane, int warp_m, int warp_n,
                     float sum[OWN][ROWS_16][COLS_8][4]) {
    const unsigned tile = place + GROUP * (VALUES + METADATA) * 16;
#pragma unroll
    for (int r = 0; r < OWN; ++r) {
        const int own = warp_m * OWN + r;
        if (GROUP > 1 && !(mask >> own & 1)) continue;
        const int at = __popc(mask & ((1 << own) - 1));  // its place among the tiles of the step
        const uint4 *values = stage + at * VALUES + lane;
#pragma unroll
        for (int k = 0; k < TILE_K / DEPTH; ++k) {
            uint4 a[ROWS_16];
#pragma unroll
            for (int i = 0; i < ROWS_16; ++i) a[i] = values[(k * ROWS_16 + i) * 32];
#if SPARSE
            const unsigned *words = (const unsigned *)(stage + GROUP * VALUES + at * METADATA) + lane;
            unsigned word[ROWS_16 / 2];  // serves two tiles of 16 rows
#pragma unroll
            for (int i = 0; i < ROWS_16 / 2; ++i) word[i] = words[(k * (ROWS_16 / 2) + i) * 32];
#pragma unroll
            for (int j = 0; j < COLS_8; ++j) {  // ldmatrix brings 32 rows of 8 columns of B
                int piece = warp_n * COLS_8 + j;
                uint4 b = load_matrices_transposed(tile + swizzled(k * 32 + lane, piece) * 16);
#pragma unroll
                for (int i = 0; i < ROWS_16; ++i) mma_sp(sum[r][i][j], a[i], b, word[i / 2], i % 2);
            }
#else
#pragma unroll
            for (int j = 0; j < COLS_8; j += 2) {  // ldmatrix brings 16 rows of 16 columns
                int piece = warp_n * COLS_8 + j + lane / 16;
                uint4 b = load_matrices_transposed(tile + swizzled(k * 16 + lane % 16, piece) * 16);
#pragma unroll
                for (int i = 0; i < ROWS_16; ++i) {
                    mma(sum[r][i][j], a[i], b.x, b.y);
                    mma(sum[r][i][j + 1], a[i], b.z, b.w);
                }
            }
#endif
        }
    }
}

// Return an element of C: rounded, then finished in the steps in which separate ops would do it.
DEVICE result finished(float x, float bias) {
    result y = ROUND(x);
#if BIAS
    y = ROUND(READ(y) + bias);
#endif
#if RELU
    if (READ(y) < 0) y = 0;
#endif
    return y;
}

DEVICE void store(result *c, const result *bias, int m, int n, int M, int N, const float *sum) {
    if (m >= M || n >= N) return;
    float shift = 0;
#if BIAS
    shift = READ(bias[m]);
#endif
    result pair[2] = {finished(sum[0], shift), finished(sum[1], shift)};
    result *to = &c[(size_t)m * N + n];
#if ALIGNED
#if WIDE
    float2 both = {pair[0], pair[1]};
    GLOBAL(float2, to) = both;
#else
    GLOBAL(unsigned, to) = pair[0] | (unsigned)pair[1] << 16;
#endif
#else
    to[0] = pair[0];
    if (n + 1 < N) to[1] = pair[1];
#endif
}

// order: the groups, those with most to do first. indptr: where the steps of each group begin.
// values, metadata: the stored tiles as tiles.py packs them.
KERNEL void __launch_bounds__(THREADS)
mma_tiles(const int *order, const int *indptr, const step_type *steps, const uint4 *values,
          const uint4 *metadata, const u16 *b, const result *bias, result *c, int M, int N, int K) {
    extern __shared__ uint4 shared[];
    const unsigned place = place_of(shared);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    // Warps 0, 4 … share a tensor core: they own the same columns, and different rows of tiles, so
    // that all four tensor cores have equally much to do.
    const int warp_n = warp % WARPS_N, warp_m = warp / WARPS_N;
    const int group = order[blockIdx.x], n0 = blockIdx.y * TILE_N;
    const int count = indptr[group + 1] - indptr[group];
    steps += indptr[group];
    float sum[OWN][ROWS_16][COLS_8][4];
#pragma unroll
    for (int i = 0; i < OWN * ROWS_16 * COLS_8 * 4; ++i) ((float *)sum)[i] = 0;

#define FETCH(number, step)                                                                        \
    if ((number) < count)                                                                          \
        fetch(place + (number) % STAGES * STAGE * 16, step, values, metadata, b, n0, N, K);        \
    copies_begun();

    for (int number = 0; number < STAGES - 1; ++number) {
        FETCH(number, steps[number])
    }
    // What a step is, is read one step before it is needed: else all would wait for it.
    step_type ahead = {0, 0, 0, 0}, here = {0, 0, 0, 0};
    if (count > STAGES - 1) ahead = steps[STAGES - 1];
    if (count > 0) here = steps[0];
    for (int number = 0; number < count; ++number) {
        WAIT_FOR_COPIES(STAGES - 2);
        __syncthreads();  // all copies of this step are here, and nobody reads the one before it
        FETCH(number + STAGES - 1, ahead)
        const int mask = here.mask, stage = number % STAGES * STAGE;
        if (number + STAGES < count) ahead = steps[number + STAGES];
        if (number + 1 < count) here = steps[number + 1];
        multiply(shared + stage, place + stage * 16, mask, lane, warp_m, warp_n, sum);
    }
#pragma unroll
    for (int r = 0; r < OWN; ++r)
#pragma unroll
        for (int i = 0; i < ROWS_16; ++i)
#pragma unroll
            for (int j = 0; j < COLS_8; ++j) {
                int m = ((group * GROUP + warp_m * OWN + r) * ROWS_16 + i) * 16 + lane / 4;
                int n = n0 + (warp_n * COLS_8 + j) * 8 + lane % 4 * 2;
                store(c, bias, m, n, M, N, sum[r][i][j]);
                store(c, bias, m + 8, n, M, N, sum[r][i][j] + 2);
            }
}
