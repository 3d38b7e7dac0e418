// A BLAS that is loaded while the program runs, to be measured beside ours:
// whatever has cblas_sgemm (OpenBLAS, MKL, BLIS) or dnnl_sgemm (oneDNN).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace colossus::bench {

class BlasLibrary {
 public:
  // Null if there is no such library.
  static std::unique_ptr<BlasLibrary> load(const std::string& path);

  const std::string& name() const { return name_; }
  // c_MN = op(a)_MK op(b)_KN, row-major; the strides are of the stored a and b.
  void multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                int64_t k, const float* a, int64_t a_stride, const float* b,
                int64_t b_stride, float* c, int64_t c_stride) const;

 private:
  std::string name_;
  void* cblas_sgemm_ = nullptr;
  void* dnnl_sgemm_ = nullptr;
};

}  // namespace colossus::bench
