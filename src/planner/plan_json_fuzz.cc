// Any text as a plan: refused with a UserError, or one that is written and read
// back as it is, and that differs from itself in nothing.
#include "planner/plan_json.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "planner/plan_diff.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace colossus;
  try {
    const planner::Plan plan = planner::read_plan_json(
        std::string(reinterpret_cast<const char*>(data), size), "fuzz");
    const std::string text = planner::plan_json(plan);
    if (planner::plan_json(planner::read_plan_json(text, "again")) != text) {
      std::abort();
    }
    const std::string same =
        planner::diff_text(planner::diff_plans(plan, plan), "a", "b");
    if (same != "a and b say the same\n") std::abort();
  } catch (const UserError&) {
  }
  return 0;
}
