// Any text as a config.json: refused with a UserError, or a model that can be
// counted.
#include "planner/hugging_face.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "planner/transformer_counts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace colossus;
  try {
    const planner::Transformer model =
        planner::read_hugging_face(
            std::string(reinterpret_cast<const char*>(data), size), "fuzz")
            .model;
    const planner::TransformerParameters counts =
        planner::count_parameters(model);
    if (counts.active() < 1 || counts.active() > counts.total()) std::abort();
    if (!(planner::training_flops_per_token(model, 1) > 0)) std::abort();
  } catch (const UserError&) {
  }
  return 0;
}
