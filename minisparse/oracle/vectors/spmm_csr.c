/* A right spmm_csr, held against a suite: cc -O2 -o spmm_csr spmm_csr.c -lm && ./spmm_csr DIR
 *
 * Every dtype in one loop: integers in 64 bits, wrapped at the end; all others in double, rounded
 * once. Replace `spmm_csr` by your own, and report what it does not support as not passed.
 */
#include "minisparse_vectors.h"

static void spmm_csr(const msv_case *c, void *y) {
    const msv_array *indptr = msv_input(c, "indptr"), *indices = msv_input(c, "indices");
    const msv_array *data = msv_input(c, "data"), *b = msv_input(c, "b");
    int64_t rows = c->shape[0], columns = c->shape[1];
    for (int64_t m = 0; m < rows; m++) {
        int64_t start = msv_integer(indptr->dtype, indptr->bytes, m);
        int64_t end = msv_integer(indptr->dtype, indptr->bytes, m + 1);
        for (int64_t n = 0; n < columns; n++) {
            uint64_t whole = 0;
            double re = 0, im = 0;
            for (int64_t p = start; p < end; p++) {
                int64_t at = msv_integer(indices->dtype, indices->bytes, p) * columns + n;
                if (msv_is_integer(c->dtype)) {
                    uint64_t term = (uint64_t)msv_integer(data->dtype, data->bytes, p) *
                                    (uint64_t)msv_integer(b->dtype, b->bytes, at);
                    whole = c->dtype == MSV_BOOL ? whole | term : whole + term;
                    continue;
                }
                double x = msv_real(data->dtype, data->bytes, p, 0);
                double z = msv_real(b->dtype, b->bytes, at, 0);
                re += x * z;
                if (msv_is_complex(c->dtype)) {
                    double xi = msv_real(data->dtype, data->bytes, p, 1);
                    double zi = msv_real(b->dtype, b->bytes, at, 1);
                    re -= xi * zi;
                    im += x * zi + xi * z;
                }
            }
            msv_store(c->dtype, y, m * columns + n, (int64_t)whole, re, im);
        }
    }
}

int main(int argc, char **argv) {
    msv_suite s;
    msv_case c;
    int passed = 0, total = 0;
    if (argc != 2 || msv_open(&s, argv[1])) {
        fprintf(stderr, "%s\n", argc == 2 ? s.error : "usage: spmm_csr DIR");
        return 2;
    }
    while (msv_next(&s, &c)) {
        if (strcmp(c.op, "spmm_csr")) continue;
        void *y = calloc((size_t)c.elements + 1, msv_itemsize(c.dtype));
        if (!y) return 2;
        spmm_csr(&c, y);
        int64_t wrong = msv_compare(&c, y);
        total++;
        passed += wrong < 0;
        if (wrong >= 0) printf("%s: element %lld is wrong\n", c.id, (long long)wrong);
        free(y);
    }
    if (s.error[0]) fprintf(stderr, "%s\n", s.error);
    printf("%d of %d passed\n", passed, total);
    msv_close(&s);
    return s.error[0] ? 2 : passed < total;
}
