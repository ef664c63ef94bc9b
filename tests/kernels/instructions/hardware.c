/* The instructions themselves, on matrices by rows: A [M, K], B [K, N], C [M, N] in and out.

   Each function is compiled for its own instruction set, so that the file compiles anywhere with
   that architecture; which of them may be called is for the caller to find out. */

#include <math.h>
#include <stdint.h>
#include <string.h>

void scalar_fma_f32(long m, long n, long k, const float *a, const float *b, float *c)
{
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++)
            for (long p = 0; p < k; p++)
                c[i * n + j] = fmaf(a[i * k + p], b[p * n + j], c[i * n + j]);
}

void scalar_fma_f64(long m, long n, long k, const double *a, const double *b, double *c)
{
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++)
            for (long p = 0; p < k; p++)
                c[i * n + j] = fma(a[i * k + p], b[p * n + j], c[i * n + j]);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Lanes along n; N is a multiple of the lanes. */
#define ALONG_N(NAME, TARGET, TYPE, LANES, VECTOR, SET1, LOAD, STORE, FMA)                        \
    __attribute__((target(TARGET))) void NAME(                                                    \
        long m, long n, long k, const TYPE *a, const TYPE *b, TYPE *c)                            \
    {                                                                                             \
        for (long i = 0; i < m; i++)                                                              \
            for (long j = 0; j < n; j += LANES) {                                                 \
                VECTOR sum = LOAD(c + i * n + j);                                                 \
                for (long p = 0; p < k; p++)                                                      \
                    sum = FMA(SET1(a[i * k + p]), LOAD(b + p * n + j), sum);                      \
                STORE(c + i * n + j, sum);                                                        \
            }                                                                                     \
    }

ALONG_N(avx2_fma_f32, "avx2,fma", float, 8, __m256, _mm256_set1_ps, _mm256_loadu_ps,
        _mm256_storeu_ps, _mm256_fmadd_ps)
ALONG_N(avx2_fma_f64, "avx2,fma", double, 4, __m256d, _mm256_set1_pd, _mm256_loadu_pd,
        _mm256_storeu_pd, _mm256_fmadd_pd)
ALONG_N(avx512_fma_f32, "avx512f", float, 16, __m512, _mm512_set1_ps, _mm512_loadu_ps,
        _mm512_storeu_ps, _mm512_fmadd_ps)
ALONG_N(avx512_fma_f64, "avx512f", double, 8, __m512d, _mm512_set1_pd, _mm512_loadu_pd,
        _mm512_storeu_pd, _mm512_fmadd_pd)

/* 16 lanes along k, 4 accumulators, N is 1: what a dot product of a library looks like. */
__attribute__((target("avx512f"))) void avx512_dot_f32(
    long m, long n, long k, const float *a, const float *b, float *c)
{
    (void)n;
    for (long i = 0; i < m; i++) {
        __m512 held[4];
        for (int u = 0; u < 4; u++)
            held[u] = _mm512_setzero_ps();
        for (long p = 0; p < k; p += 64)
            for (int u = 0; u < 4; u++) {
                long left = k - p - 16 * u;
                __mmask16 mask = left >= 16 ? 0xffff : left > 0 ? (1u << left) - 1 : 0;
                __m512 x = _mm512_maskz_loadu_ps(mask, a + i * k + p + 16 * u);
                __m512 y = _mm512_maskz_loadu_ps(mask, b + p + 16 * u);
                held[u] = _mm512_fmadd_ps(x, y, held[u]);
            }
        __m512 pair = _mm512_add_ps(_mm512_add_ps(held[0], held[2]),
                                    _mm512_add_ps(held[1], held[3]));
        c[i] = c[i] + _mm512_reduce_add_ps(pair);
    }
}

/* Bytes: B arrives packed, four neighbors along k in each lane; K is a multiple of 4. */
#define BYTES(NAME, TARGET, LANES, BODY)                                                          \
    __attribute__((target(TARGET))) void NAME(                                                    \
        long m, long n, long k, const uint8_t *a, const int8_t *b, int32_t *c)                    \
    {                                                                                             \
        for (long i = 0; i < m; i++)                                                              \
            for (long j = 0; j < n; j += LANES)                                                   \
                for (long p = 0; p < k; p += 4) {                                                 \
                    int32_t four;                                                                 \
                    memcpy(&four, a + i * k + p, 4);                                              \
                    const int8_t *right = b + p * n + 4 * j;                                      \
                    int32_t *sum = c + i * n + j;                                                 \
                    BODY                                                                          \
                }                                                                                 \
    }

BYTES(avx512_dpbusd, "avx512f,avx512vnni", 16,
      _mm512_storeu_si512(sum, _mm512_dpbusd_epi32(_mm512_loadu_si512(sum),
          _mm512_set1_epi32(four), _mm512_loadu_si512(right)));)
BYTES(avx512_dpbusds, "avx512f,avx512vnni", 16,
      _mm512_storeu_si512(sum, _mm512_dpbusds_epi32(_mm512_loadu_si512(sum),
          _mm512_set1_epi32(four), _mm512_loadu_si512(right)));)
BYTES(avx2_maddubs, "avx2", 8,
      __m256i words = _mm256_maddubs_epi16(_mm256_set1_epi32(four),
          _mm256_loadu_si256((const __m256i *)right));
      __m256i add = _mm256_madd_epi16(words, _mm256_set1_epi16(1));
      _mm256_storeu_si256((__m256i *)sum,
          _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)sum), add));)
#endif

#if defined(__aarch64__)
#include <arm_neon.h>

void neon_fma_f32(long m, long n, long k, const float *a, const float *b, float *c)
{
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j += 4) {
            float32x4_t sum = vld1q_f32(c + i * n + j);
            for (long p = 0; p < k; p++)
                sum = vfmaq_f32(sum, vdupq_n_f32(a[i * k + p]), vld1q_f32(b + p * n + j));
            vst1q_f32(c + i * n + j, sum);
        }
}

void neon_fma_f64(long m, long n, long k, const double *a, const double *b, double *c)
{
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j += 2) {
            float64x2_t sum = vld1q_f64(c + i * n + j);
            for (long p = 0; p < k; p++)
                sum = vfmaq_f64(sum, vdupq_n_f64(a[i * k + p]), vld1q_f64(b + p * n + j));
            vst1q_f64(c + i * n + j, sum);
        }
}
#endif
