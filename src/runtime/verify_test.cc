#include "runtime/verify.h"

#include <gtest/gtest.h>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"

namespace colossus::runtime {
namespace {

const char* const kCases[] = {"dense", "grok1_moe", "grok1_renormalized",
                              "grok2_residual_moe", "one_kv_head_odd_sizes"};

std::string path_of(const char* name) {
  return std::string(COLOSSUS_SOURCE_DIR "/tests/conformance/") + name;
}

void expect_close(kernels::Backend& backend, double tolerance) {
  for (const char* name : kCases) {
    const Verification verification = verify_case(path_of(name), backend);
    EXPECT_GT(verification.deviations.size(), 40u);
    for (const Deviation& d : verification.deviations) {
      EXPECT_LE(d.relative_error, tolerance) << name << ": " << d.name;
    }
  }
}

TEST(Verify, TheReferenceBackendGivesTheReferenceVectors) {
  expect_close(*kernels::make_reference_backend(), 2e-5);
}

TEST(Verify, TheCpuBackendGivesTheReferenceVectors) {
  expect_close(*kernels::make_cpu_backend(2), 1e-4);
}

}  // namespace
}  // namespace colossus::runtime
