// Which instruction set the backend takes, and what it says of itself.
#include "kernels/cpu/cpu_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace colossus::kernels {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string error_of(const std::string& target) {
  try {
    make_cpu_backend(1, target);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(CpuBackend, AutoTakesTheBestTarget) {
  EXPECT_THAT(make_cpu_backend(2)->description(),
              StartsWith(best_cpu_target() + ", 2 threads"));
}

TEST(CpuBackend, ForcesTheBaselineWithItsOwnNumerics) {
  const auto backend = make_cpu_backend(1, "baseline");
  EXPECT_EQ(backend->description(), "baseline, 1 thread");
#if defined(__x86_64__) && !defined(__FMA__)
  EXPECT_EQ(backend->numerics_version(), "nofma-1");
#endif
  make_cpu_backend(1);
}

TEST(CpuBackend, KnowsTheBestTargetWhileAnotherIsForced) {
  const std::string best = best_cpu_target();
  make_cpu_backend(1, "baseline");
  EXPECT_EQ(best_cpu_target(), best);
  EXPECT_THAT(make_cpu_backend(1)->description(), StartsWith(best));
}

TEST(CpuBackend, AnUnknownTargetIsAnErrorThatNamesTheNearest) {
  EXPECT_THAT(error_of("avx22"), HasSubstr("did you mean 'avx2'?"));
  EXPECT_THAT(error_of("sparc"), HasSubstr("none of"));
}

TEST(CpuBackend, EveryTargetThatFusesSharesOneNumericsVersion) {
  if (best_cpu_target() == "baseline") GTEST_SKIP() << "one target only";
  EXPECT_EQ(make_cpu_backend(1, "avx2")->numerics_version(), "fma-1");
  EXPECT_EQ(make_cpu_backend(1, best_cpu_target())->numerics_version(),
            "fma-1");
  make_cpu_backend(1);
}

TEST(CpuBackend, CountsTheMemoryThatItHolds) {
  EXPECT_EQ(make_cpu_backend(3)->workspace_bytes(),
            3 * make_cpu_backend(1)->workspace_bytes());
}

TEST(CpuBackend, TakesOneThreadACoreWhereNoneAreAskedFor) {
  EXPECT_THAT(make_cpu_backend(0)->description(), HasSubstr("thread"));
}

}  // namespace
}  // namespace colossus::kernels
