// Shows that two runs are the same, or where they first are not: by one hash
// over a checkpoint's state, and by a comparison tensor by tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"

namespace colossus::checkpoint {

// Over step, weights and optimizer state: names, dtypes, shapes and all bits,
// in the order of names. Nothing of how the files are laid out, and nothing of
// the manifest but the step. `folder` is one checkpoint's; its files are
// verified first. Throws CorruptFile, UserError.
Hash128 hash_checkpoint(const std::string& folder);

// "step 500  HASH" for people.
std::string hash_checkpoint_text(const std::string& folder);

struct CheckpointDiff {
  int64_t step_a = 0, step_b = 0;
  int64_t num_tensors = 0;         // in either, weights and moments
  int64_t num_tensors_differ = 0;  // in values, form, or missing in one
  // The first that differs, in file order of A (weights, then optimizer; then
  // what only B has); empty if none does.
  std::string first_tensor;
  std::string first_difference;  // where in it, and both values with their bits

  bool identical() const { return step_a == step_b && num_tensors_differ == 0; }
};

CheckpointDiff diff_checkpoints(const std::string& folder_a,
                                const std::string& folder_b);

// "identical", or a line each for the step, the first difference, the count.
std::string diff_text(const CheckpointDiff& diff);

}  // namespace colossus::checkpoint
