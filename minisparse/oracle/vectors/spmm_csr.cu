// A CUDA spmm_csr of float32 and float64, held against a suite:
//     nvcc -o spmm_csr spmm_csr.cu && ./spmm_csr DIR
//
// One thread for each element of the result. The suite's total stays the same whatever a kernel
// supports: cases of other dtypes are counted as not passed, and told apart.
#include "minisparse_vectors.h"

#include <cuda_runtime.h>

#include <vector>

#define CHECKED(call)                                                                  \
    do {                                                                               \
        cudaError_t found = (call);                                                    \
        if (found != cudaSuccess) {                                                    \
            fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(found));             \
            exit(2);                                                                   \
        }                                                                              \
    } while (0)

template <typename T>
__global__ void spmm_csr(int64_t rows, int64_t columns, const int64_t *indptr,
                         const int64_t *indices, const T *data, const T *b, T *c) {
    int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
    if (i >= rows * columns) return;
    int64_t m = i / columns, n = i % columns;
    T sum = 0;
    for (int64_t p = indptr[m]; p < indptr[m + 1]; p++) sum += data[p] * b[indices[p] * columns + n];
    c[i] = sum;
}

// An array on the device, freed with its owner.
template <typename T>
struct Device {
    T *at = nullptr;
    explicit Device(size_t count, const T *from = nullptr) {
        CHECKED(cudaMalloc(&at, (count + 1) * sizeof(T)));
        if (from && count) CHECKED(cudaMemcpy(at, from, count * sizeof(T), cudaMemcpyHostToDevice));
    }
    ~Device() { cudaFree(at); }
    Device(const Device &) = delete;
};

// The suite's index arrays have many widths; this kernel takes one.
static std::vector<int64_t> widened(const msv_array *x) {
    std::vector<int64_t> wide((size_t)x->elements);
    for (int64_t i = 0; i < x->elements; i++) wide[(size_t)i] = msv_integer(x->dtype, x->bytes, i);
    return wide;
}

template <typename T>
static bool passes(const msv_case &c) {
    const msv_array *data = msv_input(&c, "data"), *b = msv_input(&c, "b");
    std::vector<int64_t> indptr = widened(msv_input(&c, "indptr"));
    std::vector<int64_t> indices = widened(msv_input(&c, "indices"));
    std::vector<T> y((size_t)c.elements + 1);
    Device<int64_t> device_indptr(indptr.size(), indptr.data());
    Device<int64_t> device_indices(indices.size(), indices.data());
    Device<T> device_data((size_t)data->elements, (const T *)data->bytes);
    Device<T> device_b((size_t)b->elements, (const T *)b->bytes);
    Device<T> device_c((size_t)c.elements);
    unsigned blocks = (unsigned)((c.elements + 127) / 128);
    if (blocks) {
        spmm_csr<T><<<blocks, 128>>>(c.shape[0], c.shape[1], device_indptr.at, device_indices.at,
                                     device_data.at, device_b.at, device_c.at);
        CHECKED(cudaGetLastError());
        CHECKED(cudaMemcpy(y.data(), device_c.at, (size_t)c.elements * sizeof(T),
                           cudaMemcpyDeviceToHost));
    }
    int64_t wrong = msv_compare(&c, y.data());
    if (wrong >= 0) printf("%s: element %lld is wrong\n", c.id, (long long)wrong);
    return wrong < 0;
}

int main(int argc, char **argv) {
    msv_suite s;
    msv_case c;
    int passed = 0, unsupported = 0, total = 0;
    if (argc != 2 || msv_open(&s, argv[1])) {
        fprintf(stderr, "%s\n", argc == 2 ? s.error : "usage: spmm_csr DIR");
        return 2;
    }
    while (msv_next(&s, &c)) {
        if (strcmp(c.op, "spmm_csr")) continue;
        total++;
        bool same = msv_input(&c, "data")->dtype == c.dtype && msv_input(&c, "b")->dtype == c.dtype;
        if (same && c.dtype == MSV_FLOAT32) passed += passes<float>(c);
        else if (same && c.dtype == MSV_FLOAT64) passed += passes<double>(c);
        else unsupported++;
    }
    if (s.error[0]) fprintf(stderr, "%s\n", s.error);
    printf("%d of %d passed, %d not supported\n", passed, total, unsupported);
    msv_close(&s);
    return s.error[0] ? 2 : passed + unsupported < total;
}
