// The JSON half of a reference case (tests/conformance): the model's config and
// the optimizer's, under the same field names as ours.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.h"

namespace colossus::config {

struct ReferenceCase {
  std::string purpose;
  ModelConfig model;
  // The case's AdamW has a constant learning rate.
  OptimizerConfig optimizer;
  int64_t steps = 0;
};

// `source` is the text's name in messages. Strict: an unknown or missing key, a
// duplicate, a wrong type or an impossible value is a UserError that names it.
// Only `purpose` and fields younger than the format may be missing.
ReferenceCase read_reference_case(const std::string& text,
                                  const std::string& source);

}  // namespace colossus::config
