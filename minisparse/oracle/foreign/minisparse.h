/* minisparse.h: what a function in C, C++, CUDA or Rust looks like to `minisparse check`.
 *
 *     int spmm(const ms_array *in, int32_t n_in, ms_array *out, int32_t n_out, ms_allocate allocate);
 *
 * `in` holds the arguments of the op's call, in its order; a tuple such as `shape` is an array of
 * int64. Every call line is printed by `minisparse check` without an --op.
 *
 * A dense result is there already: out[0] has memory, dtype, shape and strides, and only its
 * elements are missing. They are NaN (or -1) before the call, so that one which is left out shows.
 *
 * The arrays of a sparse result have no memory yet (data is NULL), for only you know how many
 * entries there are: set out[i].dtype if you want another integer type than int64 for indices, and
 * call allocate(&out[i], length). It belongs to the caller: do not free it.
 *
 * Inputs must not be written to, and may not be contiguous: element (i, j) of x lies at
 * x.data + i * x.strides[0] + j * x.strides[1], counted in elements. If you take contiguous arrays
 * only, return MS_UNSUPPORTED for the others: what is not supported is counted, not failed.
 */
#ifndef MINISPARSE_H
#define MINISPARSE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MS_OK = 0, MS_UNSUPPORTED = 1, MS_ERROR = 2 }; /* what to return */

enum {
    MS_BOOL = 0, MS_INT8, MS_UINT8, MS_INT16, MS_UINT16, MS_INT32, MS_UINT32, MS_INT64, MS_UINT64,
    MS_FLOAT16, MS_BFLOAT16, MS_FLOAT32, MS_FLOAT64, MS_COMPLEX64, MS_COMPLEX128
};

typedef struct ms_array {
    void *data;         /* the element at index 0 in every dimension */
    int32_t dtype;      /* one of the above */
    int32_t ndim;       /* at most 4 */
    int64_t shape[4];   /* the first ndim are used */
    int64_t strides[4]; /* in elements; may be negative */
} ms_array;

/* Gives an array of a sparse result memory for `length` (times what shape says of the other
 * dimensions, for BSR's data), and sets its shape and strides. 0, or MS_ERROR if that fails. */
typedef int (*ms_allocate)(ms_array *array, int64_t length);

/* Whether x lies in C order without gaps. */
static inline int ms_is_contiguous(const ms_array *x) {
    int64_t step = 1;
    for (int d = x->ndim - 1; d >= 0; d--) {
        if (x->shape[d] > 1 && x->strides[d] != step) return 0;
        step *= x->shape[d];
    }
    return 1;
}

/* Whether x is a contiguous array of that dtype. */
static inline int ms_is_plain(const ms_array *x, int32_t dtype) {
    return x->dtype == dtype && ms_is_contiguous(x);
}

#ifdef __cplusplus
}
#endif
#endif
