/* spmm_csr and others for float32 and int32, each wrong in its way but for the first. */
#include "minisparse.h"

#include <stdlib.h>
#include <unistd.h>

#define CALL(NAME) \
    int NAME(const ms_array *in, int32_t n_in, ms_array *out, int32_t n_out, ms_allocate allocate)
#define PREPARE                                       \
    (void)n_in, (void)n_out, (void)allocate;          \
    if (!takes(in) || out->dtype != MS_FLOAT32) return MS_UNSUPPORTED; \
    spmm(in, out);

static int takes(const ms_array *in) {
    return ms_is_plain(&in[0], MS_INT32) && ms_is_plain(&in[1], MS_INT32) &&
           ms_is_plain(&in[2], MS_FLOAT32) && in[4].dtype == MS_FLOAT32;
}

static void spmm(const ms_array *in, ms_array *out) {
    const int32_t *indptr = in[0].data, *indices = in[1].data;
    const float *data = in[2].data, *b = in[4].data;
    const int64_t *shape = in[3].data, *step = in[4].strides;
    int64_t columns = in[4].shape[1];
    float *c = out->data;
    for (int64_t i = 0; i < shape[0] * columns; i++) c[i] = 0;
    for (int64_t m = 0; m < shape[0]; m++)
        for (int32_t p = indptr[m]; p < indptr[m + 1]; p++)
            for (int64_t n = 0; n < columns; n++)
                c[m * columns + n] += data[p] * b[indices[p] * step[0] + n * step[1]];
}

CALL(right) { PREPARE return MS_OK; }
CALL(segfaults) { PREPARE if (!in[2].shape[0]) *(volatile int *)0 = 1; return MS_OK; }
CALL(exits) { PREPARE if (!in[2].shape[0]) exit(0); return MS_OK; }
CALL(hangs) { PREPARE if (!in[2].shape[0]) for (;;) sleep(1); return MS_OK; }
CALL(writes_past) { PREPARE ((float *)out->data)[out->shape[0] * out->shape[1]] = 7; return MS_OK; }
CALL(writes_inputs) { PREPARE if (in[2].shape[0]) ((float *)in[2].data)[0] = 7; return MS_OK; }
CALL(errs) { PREPARE return in[2].shape[0] ? MS_ERROR : MS_OK; }

CALL(csr_to_coo) {
    (void)n_in, (void)n_out;
    if (!ms_is_plain(&in[0], MS_INT32) || !ms_is_plain(&in[1], MS_INT32)) return MS_UNSUPPORTED;
    if (!ms_is_plain(&in[2], MS_FLOAT64)) return MS_UNSUPPORTED;
    int64_t stored = in[2].shape[0];
    out[0].dtype = MS_INT32;
    for (int i = 0; i < 3; i++)
        if (allocate(&out[i], stored)) return MS_ERROR;
    const int32_t *indptr = in[0].data, *indices = in[1].data;
    for (int64_t m = 0; m + 1 < in[0].shape[0]; m++)
        for (int32_t p = indptr[m]; p < indptr[m + 1]; p++) {
            ((int32_t *)out[0].data)[p] = m;
            ((int64_t *)out[1].data)[p] = indices[p];
            ((double *)out[2].data)[p] = ((const double *)in[2].data)[p];
        }
    return MS_OK;
}

CALL(allocates_badly) {
    (void)in, (void)n_in, (void)n_out;
    if (allocate(&out[0], -1) != MS_ERROR || allocate(&out[0], INT64_MAX / 2) != MS_ERROR) return 5;
    out[0].data = malloc(8);
    return MS_OK;
}
