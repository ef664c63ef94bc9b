/* minisparse_vectors.h: read a suite of sparse test vectors, and compare results with it.
 *
 * A single header for C99 and C++, without dependencies, for little-endian machines. The format is
 * described in docs/vectors.md of minisparse. It expects files as minisparse writes them: a tiny
 * JSON reader for exactly these lines, which refuses what it cannot read and checks that arrays lie
 * inside of the file (digests are checked by `minisparse replay`).
 *
 *     msv_suite s;
 *     msv_case c;
 *     if (msv_open(&s, "DIR")) { puts(s.error); return 2; }
 *     while (msv_next(&s, &c)) {                 // one case after another
 *         if (strcmp(c.op, "spmm_csr")) continue;
 *         const msv_array *data = msv_input(&c, "data");
 *         void *y = calloc(c.elements + 1, msv_itemsize(c.dtype));
 *         ...                                    // compute y, of dtype c.dtype and shape c.shape
 *         puts(msv_compare(&c, y) < 0 ? "right" : "wrong");
 *     }
 *     if (s.error[0]) { puts(s.error); return 2; }
 *     msv_close(&s);
 */
#ifndef MINISPARSE_VECTORS_H
#define MINISPARSE_VECTORS_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MSV_VERSION 1
#define MSV_MOST 8     /* arrays of a case, and dimensions of an array */
#define MSV_TEXT 160   /* bytes of an id, a label or a call */

typedef enum {
    MSV_BOOL, MSV_INT8, MSV_UINT8, MSV_INT16, MSV_UINT16, MSV_INT32, MSV_UINT32, MSV_INT64,
    MSV_UINT64, MSV_FLOAT16, MSV_BFLOAT16, MSV_FLOAT32, MSV_FLOAT64, MSV_COMPLEX64,
    MSV_COMPLEX128, MSV_NO_DTYPE
} msv_dtype;

typedef struct {
    char name[24];
    msv_dtype dtype;
    int ndim;
    int64_t shape[MSV_MOST];
    int64_t elements;
    const unsigned char *bytes;   /* C order; aligned to 16 bytes in the file and in memory */
} msv_array;

typedef struct {
    char id[MSV_TEXT], op[32], call[MSV_TEXT], label[MSV_TEXT];
    int inputs_count, expected_count;
    msv_array inputs[MSV_MOST], expected[MSV_MOST];
    char kind[8];                 /* of the result: dense, csr, csc, coo or bsr */
    msv_dtype dtype;
    int ndim;
    int64_t shape[MSV_MOST];
    int64_t elements;             /* of a dense result; of a sparse one, its possible cells */
    int is_sorted, is_distinct;   /* of a sparse result */
    int64_t block[2];
} msv_case;

typedef struct {
    char *text;                   /* suite.jsonl, ends with a zero byte */
    unsigned char *stored;        /* suite.bin */
    int64_t stored_size;
    const char *next;
    int line;
    char error[MSV_TEXT];         /* empty as long as all is well */
} msv_suite;

/* -- dtypes: every value as a double, or as an integer ---------------------------------------- */

static inline const char *msv_dtype_name(msv_dtype dtype) {
    static const char *const names[] = {
        "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
        "float16", "bfloat16", "float32", "float64", "complex64", "complex128", "none"};
    return names[dtype];
}

static inline msv_dtype msv_dtype_of(const char *name) {
    int found = 0;
    while (found < MSV_NO_DTYPE && strcmp(name, msv_dtype_name((msv_dtype)found))) found++;
    return (msv_dtype)found;
}

static inline size_t msv_itemsize(msv_dtype dtype) {
    static const size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8, 8, 16, 0};
    return sizes[dtype];
}

static inline int msv_is_integer(msv_dtype dtype) { return dtype <= MSV_UINT64; }

static inline int msv_is_complex(msv_dtype dtype) {
    return dtype == MSV_COMPLEX64 || dtype == MSV_COMPLEX128;
}

/* Element i of an integer or bool array. */
static inline int64_t msv_integer(msv_dtype dtype, const void *x, int64_t i) {
    switch (dtype) {
    case MSV_BOOL: return ((const uint8_t *)x)[i] != 0;
    case MSV_INT8: return ((const int8_t *)x)[i];
    case MSV_UINT8: return ((const uint8_t *)x)[i];
    case MSV_INT16: return ((const int16_t *)x)[i];
    case MSV_UINT16: return ((const uint16_t *)x)[i];
    case MSV_INT32: return ((const int32_t *)x)[i];
    case MSV_UINT32: return ((const uint32_t *)x)[i];
    case MSV_INT64: return ((const int64_t *)x)[i];
    case MSV_UINT64: return (int64_t)((const uint64_t *)x)[i];
    default: return 0;
    }
}

static inline double msv_half(uint16_t bits) {
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023, size;
    if (exponent == 31) size = fraction != 0 ? NAN : INFINITY;
    else size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

static inline double msv_bfloat(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &wide, 4);
    return x;
}

/* Part 0 (real) or 1 (imaginary) of element i, as a double: exact but for integers over 2**53. */
static inline double msv_real(msv_dtype dtype, const void *x, int64_t i, int part) {
    switch (dtype) {
    case MSV_COMPLEX64: return ((const float *)x)[2 * i + part];
    case MSV_COMPLEX128: return ((const double *)x)[2 * i + part];
    case MSV_FLOAT16: return part ? 0 : msv_half(((const uint16_t *)x)[i]);
    case MSV_BFLOAT16: return part ? 0 : msv_bfloat(((const uint16_t *)x)[i]);
    case MSV_FLOAT32: return part ? 0 : ((const float *)x)[i];
    case MSV_FLOAT64: return part ? 0 : ((const double *)x)[i];
    default: return part ? 0 : (double)msv_integer(dtype, x, i);
    }
}

/* -- exactly this JSON ------------------------------------------------------------------------- */

static inline const char *msv_skip_string(const char *p) {
    if (!p || *p++ != '"') return NULL;
    while (*p && *p != '"') p += *p == '\\' && p[1] ? 2 : 1;
    return *p ? p + 1 : NULL;
}

/* Return what follows a value: a string, a number, true, false, or anything in brackets. */
static inline const char *msv_skip(const char *p) {
    int depth = 0;
    do {
        if (!p || !*p || *p == '\n') return NULL;
        if (*p == '"') { p = msv_skip_string(p); continue; }
        if (*p == '{' || *p == '[') depth++;
        else if (*p == '}' || *p == ']') depth--;
        else if (!depth) { p += strcspn(p, ",]}\n"); break; }
        p++;
    } while (depth > 0);
    return p;
}

/* Return where the value of a member begins, or NULL. */
static inline const char *msv_member(const char *p, const char *key) {
    size_t length = strlen(key);
    if (!p || *p++ != '{') return NULL;
    while (*p == '"') {
        const char *name = p + 1;
        p = msv_skip_string(p);
        if (!p || *p++ != ':') return NULL;
        if (!strncmp(name, key, length) && name[length] == '"') return p;
        p = msv_skip(p);
        if (!p || *p++ != ',') return NULL;
    }
    return NULL;
}

/* Copy a string without its quotes, cut to what there is room for; returns whether it is one. */
static inline int msv_string(const char *p, char *to, size_t room) {
    const char *end = msv_skip_string(p);
    size_t length;
    if (!end) return 0;
    length = (size_t)(end - p) - 2;
    if (length >= room) length = room - 1;
    memcpy(to, p + 1, length);
    to[length] = 0;
    return 1;
}

static inline int64_t msv_number(const char *p) {
    return p && *p >= '0' && *p <= '9' ? strtoll(p, NULL, 10) : -1;
}

/* Read a list of at most `room` numbers; returns how many, or -1. */
static inline int msv_numbers(const char *p, int64_t *to, int room) {
    int count = 0;
    if (!p || *p++ != '[') return -1;
    while (*p != ']') {
        if (count == room || (to[count++] = msv_number(p)) < 0) return -1;
        p += strspn(p, "0123456789");
        if (*p == ',') p++;
        else if (*p != ']') return -1;
    }
    return count;
}

/* -- suites ------------------------------------------------------------------------------------- */

static inline int msv_fail(msv_suite *s, const char *what) {
    snprintf(s->error, sizeof s->error, "suite.jsonl, line %d: %s", s->line, what);
    return 0;
}

/* Return the product of dimensions, or -1 if it is larger than any suite. */
static inline int64_t msv_product(const int64_t *shape, int ndim) {
    int64_t product = 1;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] > (INT64_C(1) << 40) || (shape[i] && product > (INT64_C(1) << 40) / shape[i]))
            return -1;
        product *= shape[i];
    }
    return product;
}

static inline int msv_read_array(msv_suite *s, const char *p, msv_array *a) {
    char dtype[24];
    int64_t offset = msv_number(msv_member(p, "offset"));
    int64_t nbytes = msv_number(msv_member(p, "nbytes"));
    if (!msv_string(msv_member(p, "name"), a->name, sizeof a->name) ||
        !msv_string(msv_member(p, "dtype"), dtype, sizeof dtype))
        return msv_fail(s, "an array without name or dtype");
    a->dtype = msv_dtype_of(dtype);
    a->ndim = msv_numbers(msv_member(p, "shape"), a->shape, MSV_MOST);
    if (a->dtype == MSV_NO_DTYPE || a->ndim < 0) return msv_fail(s, "an unknown dtype or shape");
    a->elements = msv_product(a->shape, a->ndim);
    if (a->elements < 0 || nbytes != a->elements * (int64_t)msv_itemsize(a->dtype) || offset < 0 ||
        offset % 16 || offset > s->stored_size - nbytes)
        return msv_fail(s, "an array that does not lie in suite.bin");
    a->bytes = s->stored + offset;
    return 1;
}

static inline int msv_read_arrays(msv_suite *s, const char *p, msv_array *arrays) {
    int count = 0;
    if (!p || *p++ != '[') { msv_fail(s, "no list of arrays"); return -1; }
    while (*p != ']') {
        if (count == MSV_MOST) { msv_fail(s, "more arrays than MSV_MOST"); return -1; }
        if (!msv_read_array(s, p, &arrays[count++])) return -1;
        p = msv_skip(p);
        if (p && *p == ',') p++;
        else if (!p || *p != ']') { msv_fail(s, "a broken list"); return -1; }
    }
    return count;
}

static inline char *msv_read_file(const char *folder, const char *name, int64_t *size) {
    char path[4096];
    FILE *file;
    char *content = NULL;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return NULL;
    file = fopen(path, "rb");
    if (!file) return NULL;
    if (!fseek(file, 0, SEEK_END) && (*size = (int64_t)ftell(file)) >= 0 &&
        !fseek(file, 0, SEEK_SET) && (content = (char *)malloc((size_t)*size + 1)) != NULL) {
        content[*size] = 0;
        if (fread(content, 1, (size_t)*size, file) != (size_t)*size) {
            free(content);
            content = NULL;
        }
    }
    fclose(file);
    return content;
}

static inline void msv_close(msv_suite *s) {
    free(s->text);
    free(s->stored);
    s->text = NULL;
    s->stored = NULL;
}

/* Read both files of a folder; returns 0, or 1 with a message in `error`. */
static inline int msv_open(msv_suite *s, const char *folder) {
    char format[32] = "";
    int64_t size = 0;
    memset(s, 0, sizeof *s);
    s->line = 1;
    s->text = msv_read_file(folder, "suite.jsonl", &size);
    s->stored = (unsigned char *)msv_read_file(folder, "suite.bin", &s->stored_size);
    if (!s->text || !s->stored) msv_fail(s, "cannot read suite.jsonl and suite.bin");
    else if (!msv_string(msv_member(s->text, "format"), format, sizeof format) ||
             strcmp(format, "minisparse-vectors") ||
             msv_number(msv_member(s->text, "version")) != MSV_VERSION)
        msv_fail(s, "not a suite of this version");
    else if (msv_number(msv_member(s->text, "bin_nbytes")) != s->stored_size)
        msv_fail(s, "suite.bin has another size");
    if (s->error[0]) { msv_close(s); return 1; }
    s->next = s->text + strcspn(s->text, "\n");
    return 0;
}

/* Read the next case; returns 0 at the end, or with a message in `error`. */
static inline int msv_next(msv_suite *s, msv_case *c) {
    const char *p = s->next, *e;
    char dtype[24];
    if (s->error[0]) return 0;
    if (*p == '\n') p++;
    if (!*p) return 0;
    s->line++;
    s->next = p + strcspn(p, "\n");
    memset(c, 0, sizeof *c);
    e = msv_member(p, "expected");
    if (!msv_string(msv_member(p, "id"), c->id, sizeof c->id) ||
        !msv_string(msv_member(p, "op"), c->op, sizeof c->op) ||
        !msv_string(msv_member(p, "call"), c->call, sizeof c->call) ||
        !msv_string(msv_member(p, "label"), c->label, sizeof c->label) ||
        !msv_string(msv_member(e, "kind"), c->kind, sizeof c->kind) ||
        !msv_string(msv_member(e, "dtype"), dtype, sizeof dtype))
        return msv_fail(s, "a member is missing");
    c->dtype = msv_dtype_of(dtype);
    c->ndim = msv_numbers(msv_member(e, "shape"), c->shape, MSV_MOST);
    if (c->dtype == MSV_NO_DTYPE || c->ndim < 0) return msv_fail(s, "an unknown dtype or shape");
    c->inputs_count = msv_read_arrays(s, msv_member(p, "inputs"), c->inputs);
    c->expected_count = msv_read_arrays(s, msv_member(e, "arrays"), c->expected);
    if (c->inputs_count < 0 || c->expected_count < 0) return 0;
    c->elements = msv_product(c->shape, c->ndim);
    if (strcmp(c->kind, "dense")) {
        const char *flag = msv_member(e, "is_sorted");
        c->is_sorted = flag && *flag == 't';
        flag = msv_member(e, "is_distinct");
        c->is_distinct = flag && *flag == 't';
        if (c->ndim != 2 || msv_numbers(msv_member(e, "block"), c->block, 2) != 2)
            return msv_fail(s, "a sparse result without shape or block");
        c->elements = -1;
        for (int i = 0; i < c->expected_count; i++)
            if (!strcmp(c->expected[i].name, "row")) c->elements = c->expected[i].elements;
    }
    for (int i = 0; i < c->expected_count; i++) {
        const msv_array *a = &c->expected[i];
        int is_value = !strcmp(a->name, "hi") || !strcmp(a->name, "lo") ||
                       !strcmp(a->name, "bound");
        msv_dtype wanted = !strcmp(a->name, "special") ? MSV_UINT8
                         : !strcmp(a->name, "optional") ? MSV_BOOL
                         : is_value && !msv_is_integer(c->dtype) ? MSV_FLOAT64 : MSV_INT64;
        int64_t pairs = is_value && msv_is_complex(c->dtype) ? 2 : 1;
        if (a->dtype != wanted || a->elements != pairs * c->elements)
            return msv_fail(s, "a result of another dtype or length");
    }
    return 1;
}

static inline const msv_array *msv_find(const msv_array *arrays, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (!strcmp(arrays[i].name, name)) return &arrays[i];
    return NULL;
}

/* Return an argument of the call by its name, or NULL. */
static inline const msv_array *msv_input(const msv_case *c, const char *name) {
    return msv_find(c->inputs, c->inputs_count, name);
}

/* Return hi, lo, bound, special, row, col or optional; NULL means that it is zero throughout. */
static inline const msv_array *msv_expected(const msv_case *c, const char *name) {
    return msv_find(c->expected, c->expected_count, name);
}

/* -- comparison --------------------------------------------------------------------------------- */

static inline int msv_is_near(const msv_case *c, const void *y, int64_t i, int64_t at) {
    const msv_array *hi = msv_expected(c, "hi"), *lo = msv_expected(c, "lo");
    const msv_array *bound = msv_expected(c, "bound");
    int parts = msv_is_complex(c->dtype) ? 2 : 1;
    for (int part = 0; part < parts; part++) {
        int64_t j = parts * at + part;
        double error = msv_real(c->dtype, y, i, part) - msv_real(MSV_FLOAT64, hi->bytes, j, 0);
        if (lo) error -= msv_real(MSV_FLOAT64, lo->bytes, j, 0);
        if (!(fabs(error) <= (bound ? msv_real(MSV_FLOAT64, bound->bytes, j, 0) : 0))) return 0;
    }
    return 1;
}

/* Tell whether element i of y (of dtype c->dtype) may stand where element `at` is expected. */
static inline int msv_is_right(const msv_case *c, const void *y, int64_t i, int64_t at) {
    const msv_array *hi = msv_expected(c, "hi"), *special = msv_expected(c, "special");
    int what = special ? special->bytes[at] : 0, finite, infinite;
    double re, wanted;
    if (!hi) return 0;
    if (msv_is_integer(c->dtype))
        return msv_integer(c->dtype, y, i) == msv_integer(MSV_INT64, hi->bytes, at);
    re = msv_real(c->dtype, y, i, 0);
    finite = isfinite(re) && isfinite(msv_real(c->dtype, y, i, 1));
    if (msv_is_complex(c->dtype)) {
        if (what == 1) return !finite;
        return finite ? msv_is_near(c, y, i, at) : what > 3;
    }
    wanted = msv_real(MSV_FLOAT64, hi->bytes, at, 0);
    infinite = isinf(re);
    switch (what) {
    case 0: return finite && msv_is_near(c, y, i, at);
    case 1: return isnan(re);
    case 2: return infinite && re > 0;
    case 3: return infinite && re < 0;
    case 4:
        if (finite) return msv_is_near(c, y, i, at);
        return infinite && !signbit(re) == !signbit(wanted);
    case 5: return finite ? msv_is_near(c, y, i, at) : 1;
    default: return 0;
    }
}

/* Compare a dense result of dtype c->dtype, in C order: returns the first element that is wrong,
 * or -1 if none is. */
static inline int64_t msv_compare(const msv_case *c, const void *y) {
    if (strcmp(c->kind, "dense") || !msv_expected(c, "hi")) return 0;
    for (int64_t i = 0; i < c->elements; i++)
        if (!msv_is_right(c, y, i, i)) return i;
    return -1;
}

/* Return the number of a cell among those that may be stored, or -1. */
static inline int64_t msv_cell(const msv_case *c, int64_t row, int64_t col) {
    const int64_t *rows = (const int64_t *)(const void *)msv_expected(c, "row")->bytes;
    const int64_t *cols = (const int64_t *)(const void *)msv_expected(c, "col")->bytes;
    int64_t low = 0, high = c->elements;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (rows[middle] < row || (rows[middle] == row && cols[middle] < col)) low = middle + 1;
        else high = middle;
    }
    return low < c->elements && rows[low] == row && cols[low] == col ? low : -1;
}

/* -- storing a result --------------------------------------------------------------------------- */

/* Round to float16 (10 bits of fraction) to nearest, ties to even, as its bits. */
static inline uint16_t msv_to_half(double x) {
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    double size = fabs(x), units;
    int exponent;
    if (isnan(x)) return 0x7e00;
    if (size >= 65520) return sign | 0x7c00;
    if (size < 6.103515625e-05) return sign | (uint16_t)nearbyint(ldexp(size, 24));
    frexp(size, &exponent);
    units = nearbyint(ldexp(size, 11 - exponent)); /* 1024 to 2048: a carry goes to the exponent */
    return sign | (uint16_t)(((exponent + 13) << 10) + (int)units);
}

/* Round to bfloat16: to float32 first, then to nearest, ties to even. */
static inline uint16_t msv_to_bfloat(double x) {
    float single = (float)x;
    uint32_t bits;
    memcpy(&bits, &single, 4);
    if (isnan(x)) return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Store element i: `whole` if the dtype is of integers (it wraps), else the two parts, rounded. */
static inline void msv_store(msv_dtype dtype, void *y, int64_t i, int64_t whole, double re,
                             double im) {
    switch (dtype) {
    case MSV_BOOL: ((uint8_t *)y)[i] = whole != 0; break;
    case MSV_INT8: case MSV_UINT8: ((uint8_t *)y)[i] = (uint8_t)whole; break;
    case MSV_INT16: case MSV_UINT16: ((uint16_t *)y)[i] = (uint16_t)whole; break;
    case MSV_INT32: case MSV_UINT32: ((uint32_t *)y)[i] = (uint32_t)whole; break;
    case MSV_INT64: case MSV_UINT64: ((uint64_t *)y)[i] = (uint64_t)whole; break;
    case MSV_FLOAT16: ((uint16_t *)y)[i] = msv_to_half(re); break;
    case MSV_BFLOAT16: ((uint16_t *)y)[i] = msv_to_bfloat(re); break;
    case MSV_FLOAT32: ((float *)y)[i] = (float)re; break;
    case MSV_FLOAT64: ((double *)y)[i] = re; break;
    case MSV_COMPLEX64: ((float *)y)[2 * i] = (float)re; ((float *)y)[2 * i + 1] = (float)im; break;
    case MSV_COMPLEX128: ((double *)y)[2 * i] = re; ((double *)y)[2 * i + 1] = im; break;
    default: break;
    }
}

/* -- sparse results ----------------------------------------------------------------------------- */

typedef struct {
    const msv_case *c;
    int64_t *count, *whole;       /* of each cell: how many entries, and their sum */
    double *parts;
} msv_sums;

/* Add what is stored for a cell; returns whether it may be stored. */
static inline int msv_add(msv_sums *sums, int64_t row, int64_t col, const void *data, int64_t i) {
    msv_dtype dtype = sums->c->dtype;
    int64_t at = msv_cell(sums->c, row, col);
    if (at < 0) return 0;
    if (msv_is_integer(dtype)) {
        uint64_t x = (uint64_t)msv_integer(dtype, data, i), sum = (uint64_t)sums->whole[at];
        sums->whole[at] = (int64_t)(dtype == MSV_BOOL ? sum | x : sum + x);
    }
    for (int part = 0; part < 2; part++) {
        double x = msv_real(dtype, data, i, part);
        sums->parts[2 * at + part] = sums->count[at] ? sums->parts[2 * at + part] + x : x;
    }
    sums->count[at]++;
    return !sums->c->is_distinct || sums->count[at] == 1;
}

/* Add all entries; returns NULL, or what is wrong with the structure. */
static inline const char *msv_add_all(msv_sums *sums, msv_dtype dtype, const void *first,
                                      const void *second, const void *data, int64_t stored) {
    const msv_case *c = sums->c;
    int is_coo = !strcmp(c->kind, "coo"), is_csc = !strcmp(c->kind, "csc");
    int is_bsr = !strcmp(c->kind, "bsr");
    int64_t height = is_bsr ? c->block[0] : 1, width = is_bsr ? c->block[1] : 1;
    int64_t lines = is_csc ? c->shape[1] : (c->shape[0] + height - 1) / height;
    int64_t line = 0, end = 0, before = -1, line_before = -1;
    if (!is_coo && msv_integer(dtype, first, 0) != 0) return "pointers do not begin at 0";
    for (int64_t m = 0; !is_coo && m < lines; m++)
        if (msv_integer(dtype, first, m + 1) < msv_integer(dtype, first, m)) return "pointers fall";
    if (!is_coo && msv_integer(dtype, first, lines) != stored)
        return "pointers do not end at the number of entries";
    for (int64_t p = 0; p < stored; p++) {
        int64_t minor = msv_integer(dtype, second, p);
        if (is_coo) line = msv_integer(dtype, first, p);
        else {
            while ((end = msv_integer(dtype, first, line + 1)) <= p) line++;
        }
        if (c->is_sorted && (line < line_before || (line == line_before && minor < before)))
            return "entries are not sorted";
        line_before = line;
        before = minor;
        if (minor < 0 || line < 0 || line >= lines) return "an index is out of range";
        for (int64_t k = 0; k < height * width; k++) {
            int64_t row = (is_csc ? minor : line) * height + k / width;
            int64_t col = (is_csc ? line : minor) * width + k % width;
            if (is_bsr && (row >= c->shape[0] || col >= c->shape[1])) continue;
            if (!msv_add(sums, row, col, data, p * height * width + k))
                return "a cell is stored that must not be, or twice";
        }
    }
    return NULL;
}

/* Compare a sparse result: `first` and `second` are pointers and indices, or rows and columns, of
 * the dtype `indices`; data is of dtype c->dtype; `stored` is the number of entries, or of blocks.
 * There must be as many pointers as the shape asks for. Returns NULL, or what is wrong. */
static inline const char *msv_compare_sparse(const msv_case *c, msv_dtype indices,
                                             const void *first, const void *second,
                                             const void *data, int64_t stored) {
    const msv_array *optional = msv_expected(c, "optional");
    const char *wrong = NULL;
    unsigned char one[16];
    msv_sums sums;
    if (!strcmp(c->kind, "dense") || !msv_expected(c, "row") || !msv_expected(c, "col"))
        return "the result of this case is not sparse";
    sums.c = c;
    sums.count = (int64_t *)calloc((size_t)c->elements + 1, sizeof *sums.count);
    sums.whole = (int64_t *)calloc((size_t)c->elements + 1, sizeof *sums.whole);
    sums.parts = (double *)calloc((size_t)c->elements + 1, 2 * sizeof *sums.parts);
    if (!sums.count || !sums.whole || !sums.parts) wrong = "out of memory";
    else wrong = msv_add_all(&sums, indices, first, second, data, stored);
    for (int64_t i = 0; !wrong && i < c->elements; i++) {
        msv_store(c->dtype, one, 0, sums.whole[i], sums.parts[2 * i], sums.parts[2 * i + 1]);
        if (sums.count[i] ? !msv_is_right(c, one, 0, i) : !(optional && optional->bytes[i]))
            wrong = sums.count[i] ? "a value is wrong" : "a cell is not stored";
    }
    free(sums.count);
    free(sums.whole);
    free(sums.parts);
    return wrong;
}

#endif
