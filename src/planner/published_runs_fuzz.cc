// Any text as a table of runs: refused with a UserError, or rows whose figures
// are above zero.
#include "planner/published_runs.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "planner/run_inputs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace colossus;
  try {
    for (const planner::PublishedRun& run : planner::read_published_runs(
             {reinterpret_cast<const char*>(data), size}, "fuzz")) {
      if (run.id.empty() || run.line < 2) std::abort();
      const auto seconds = run.step_seconds();
      if (seconds && !(run.is_timed() && *seconds > 0)) std::abort();
      const planner::RunInputs inputs = planner::inputs_of(run);
      if (inputs.why_not.empty() && inputs.seq_len < 1) std::abort();
    }
  } catch (const UserError&) {
  }
  return 0;
}
