// Any text as the output of nccl-tests: refused with a UserError, or tests with
// ranks, and samples that take time.
#include "planner/nccl_tests.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace colossus;
  try {
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const planner::NcclTest& test :
         planner::read_nccl_tests(text, "fuzz")) {
      if (test.num_ranks < 2 || test.num_hosts < 1) std::abort();
      for (const planner::NcclSample& sample : test.samples) {
        if (!(sample.bytes > 0) || !(sample.seconds > 0)) std::abort();
      }
    }
  } catch (const UserError&) {
  }
  return 0;
}
