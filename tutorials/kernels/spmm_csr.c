/* C[m, n] = sum_k A[m, k] * B[k, n], A in CSR, in float or double, single-threaded.
 *
 *     cc -O2 -shared -fPIC -I "$(minisparse check --include)" spmm_csr.c -o /tmp/spmm_csr.so
 *     minisparse check /tmp/spmm_csr.so:spmm_csr --op spmm_csr
 *
 * It has passed its author's tests, and it is wrong. docs/guide_c_cuda_rust.md tells how one finds
 * out where.
 */
#include "minisparse.h"

#define DEFINE_SPMM(NAME, REAL)                                                              \
    static void NAME(const ms_array *in, const ms_array *out) {                              \
        const int32_t *indptr = in[0].data, *indices = in[1].data;                           \
        const REAL *data = in[2].data, *b = in[4].data;                                      \
        int64_t rows = out->shape[0], columns = out->shape[1];                               \
        REAL *c = out->data;                                                                 \
        for (int64_t m = 0; m < rows; m++) {                                                 \
            if (indptr[m] == indptr[m + 1]) continue; /* nothing to add */                   \
            for (int64_t n = 0; n < columns; n++) c[m * columns + n] = 0;                    \
            for (int32_t p = indptr[m]; p < indptr[m + 1]; p++)                              \
                for (int64_t n = 0; n < columns; n++)                                        \
                    c[m * columns + n] += data[p] * b[indices[p] * columns + n];             \
        }                                                                                    \
    }

DEFINE_SPMM(spmm_float, float)
DEFINE_SPMM(spmm_double, double)

/* in: indptr, indices, data, shape, b; out: c */
int spmm_csr(const ms_array *in, int32_t n_in, ms_array *out, int32_t n_out, ms_allocate allocate) {
    (void)n_in, (void)n_out, (void)allocate;
    int32_t dtype = out->dtype;
    if (!ms_is_plain(&in[0], MS_INT32) || !ms_is_plain(&in[1], MS_INT32)) return MS_UNSUPPORTED;
    if (!ms_is_plain(&in[2], dtype) || !ms_is_plain(&in[4], dtype)) return MS_UNSUPPORTED;
    if (dtype == MS_FLOAT32) spmm_float(in, out);
    else if (dtype == MS_FLOAT64) spmm_double(in, out);
    else return MS_UNSUPPORTED;
    return MS_OK;
}
