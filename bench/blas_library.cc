#include "blas_library.h"

#include <dlfcn.h>

namespace colossus::bench {
namespace {

using CblasSgemm = void (*)(int order, int transpose_a, int transpose_b, int m,
                            int n, int k, float alpha, const float* a, int lda,
                            const float* b, int ldb, float beta, float* c,
                            int ldc);
using DnnlSgemm = int (*)(char transpose_a, char transpose_b, int64_t m,
                          int64_t n, int64_t k, float alpha, const float* a,
                          int64_t lda, const float* b, int64_t ldb, float beta,
                          float* c, int64_t ldc);
constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;

std::string name_of(const std::string& path) {
  for (const char* name : {"openblas", "mkl", "blis", "dnnl"}) {
    if (path.find(name) != std::string::npos) return name;
  }
  return path;
}

}  // namespace

std::unique_ptr<BlasLibrary> BlasLibrary::load(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return nullptr;
  auto library = std::make_unique<BlasLibrary>();
  library->name_ = name_of(path);
  library->cblas_sgemm_ = dlsym(handle, "cblas_sgemm");
  library->dnnl_sgemm_ = dlsym(handle, "dnnl_sgemm");
  if (!library->cblas_sgemm_ && !library->dnnl_sgemm_) return nullptr;
  return library;
}

void BlasLibrary::multiply(bool transpose_a, bool transpose_b, int64_t m,
                           int64_t n, int64_t k, const float* a,
                           int64_t a_stride, const float* b, int64_t b_stride,
                           float* c, int64_t c_stride) const {
  if (dnnl_sgemm_ != nullptr) {
    reinterpret_cast<DnnlSgemm>(dnnl_sgemm_)(
        transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a,
        a_stride, b, b_stride, 0.0f, c, c_stride);
    return;
  }
  reinterpret_cast<CblasSgemm>(cblas_sgemm_)(
      kRowMajor, transpose_a ? kTranspose : kNoTranspose,
      transpose_b ? kTranspose : kNoTranspose, static_cast<int>(m),
      static_cast<int>(n), static_cast<int>(k), 1.0f, a,
      static_cast<int>(a_stride), b, static_cast<int>(b_stride), 0.0f, c,
      static_cast<int>(c_stride));
}

}  // namespace colossus::bench
