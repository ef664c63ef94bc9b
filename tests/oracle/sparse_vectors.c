/* Returns every sparse answer of a suite as a result, as it is and spoiled in several ways. */
#include "minisparse_vectors.h"

enum { AS_IT_IS, ONE_LESS, OTHER_VALUE, TWICE, BAD_POINTER, BAD_INDEX, WAYS };

static int64_t *first, *second, stored;
static char *data;

static void value(const msv_case *c, int64_t i, int64_t row, int64_t col) {
    int64_t at = msv_cell(c, row, col);
    const msv_array *hi = msv_expected(c, "hi");
    int64_t pair = msv_is_complex(c->dtype) ? 2 : 1;
    double re = at < 0 ? 0 : msv_real(hi->dtype, hi->bytes, pair * at, 0);
    double im = at < 0 || pair == 1 ? 0 : msv_real(hi->dtype, hi->bytes, pair * at + 1, 0);
    msv_store(c->dtype, data, i, at < 0 ? 0 : msv_integer(hi->dtype, hi->bytes, at), re, im);
}

static void build(const msv_case *c) {
    const int64_t *row = (const int64_t *)(const void *)msv_expected(c, "row")->bytes;
    const int64_t *col = (const int64_t *)(const void *)msv_expected(c, "col")->bytes;
    int is_bsr = !strcmp(c->kind, "bsr"), is_csc = !strcmp(c->kind, "csc");
    int64_t r = is_bsr ? c->block[0] : 1, w = is_bsr ? c->block[1] : 1;
    int64_t lines = is_csc ? c->shape[1] : c->shape[0] / r;
    stored = 0;
    first[0] = 0;
    for (int64_t line = 0; line < lines; line++) {
        for (int64_t i = 0; i < c->elements; i++) {
            if ((is_csc ? col[i] : row[i]) != line * r || (is_bsr && col[i] % w)) continue;
            for (int64_t k = 0; k < r * w; k++)
                value(c, stored * r * w + k, row[i] + k / w, col[i] + k % w);
            second[stored++] = is_csc ? row[i] : col[i] / w;
            if (!strcmp(c->kind, "coo")) first[stored - 1] = line;
        }
        if (strcmp(c->kind, "coo")) first[line + 1] = stored;
    }
}

/* Spoil the result; returns 0 where that way would leave it right. */
static int spoil(const msv_case *c, int way) {
    int is_coo = !strcmp(c->kind, "coo");
    int64_t lines = strcmp(c->kind, "csc") ? c->shape[0] / c->block[0] : c->shape[1];
    size_t size = msv_itemsize(c->dtype) * (size_t)(c->block[0] * c->block[1]);
    if (way == AS_IT_IS) return 1;
    if (!stored || msv_expected(c, "optional")) return 0;
    switch (way) {
    case ONE_LESS:
        stored--;
        for (int64_t m = 0; !is_coo && m <= lines; m++) first[m] -= first[m] > stored;
        return 1;
    case OTHER_VALUE:
        if (c->dtype == MSV_BOOL) data[0] = !data[0];
        else memset(data, 0x7b, msv_itemsize(c->dtype)); /* large in every dtype */
        return 1;
    case TWICE:
        if (!c->is_distinct) return 0;
        second[stored] = second[stored - 1];
        if (is_coo) first[stored] = first[stored - 1];
        memcpy(data + size * (size_t)stored, data + size * (size_t)(stored - 1), size);
        for (int64_t m = 0; !is_coo && m <= lines; m++) first[m] += first[m] == stored;
        stored++;
        return 1;
    case BAD_POINTER:
        first[0] = is_coo ? -1 : 1;
        return 1;
    default:
        second[0] = c->shape[0] + c->shape[1];
        return 1;
    }
}

int main(int argc, char **argv) {
    msv_suite s;
    msv_case c;
    int right = 0, total = 0, found = 0, missed = 0;
    if (argc != 2 || msv_open(&s, argv[1])) return 2;
    while (msv_next(&s, &c)) {
        size_t room = (size_t)(c.elements + c.shape[0] + c.shape[1] + 2);
        first = (int64_t *)calloc(room, 8);
        second = (int64_t *)calloc(room, 8);
        data = (char *)calloc(room * (size_t)(c.block[0] * c.block[1]), 16);
        for (int way = 0; way < WAYS; way++) {
            build(&c);
            if (!spoil(&c, way)) continue;
            const char *wrong = msv_compare_sparse(&c, MSV_INT64, first, second, data, stored);
            if (way == AS_IT_IS) {
                total++;
                right += !wrong;
                if (wrong) printf("%s: %s\n", c.id, wrong);
            } else {
                found += wrong != NULL;
                missed += !wrong;
                if (!wrong) printf("%s: spoiled in way %d, and passed\n", c.id, way);
            }
        }
        free(first);
        free(second);
        free(data);
    }
    printf("%d of %d right; %d spoiled found, %d missed\n", right, total, found, missed);
    msv_close(&s);
    return s.error[0] || right < total || missed || !found;
}
