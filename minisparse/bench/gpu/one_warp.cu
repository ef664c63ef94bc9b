// One instruction of one warp: registers are read, multiplied once, and written back. Lane by lane
// what comes out is compared with the model in minisparse/gpu/tensor_cores/warp.py.
#include "instructions.cuh"

KERNEL void one_warp(const uint4 *a, const uint4 *b, const unsigned *metadata, float *c) {
    int lane = threadIdx.x;
    float sums[4];
    for (int i = 0; i < 4; ++i) sums[i] = c[4 * lane + i];
#if SPARSE
    mma_sp(sums, a[lane], b[lane], metadata[lane], SELECTOR);
#else
    mma(sums, a[lane], b[lane].x, b[lane].y);
#endif
    for (int i = 0; i < 4; ++i) c[4 * lane + i] = sums[i];
}
