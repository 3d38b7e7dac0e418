// Checkpoints as a reader sees them: which there are, whether one is sound, and
// the state in it. Needs no lock: a checkpoint that is there is complete.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/manifest.h"
#include "checkpoint/safetensors.h"
#include "tensor/tensor_entry.h"

namespace colossus::checkpoint {

// runs/NAME -> runs/NAME/checkpoints/step-00000500
std::string checkpoints_folder(const std::string& run_folder);
std::string checkpoint_folder(const std::string& run_folder, int64_t step);
// The step that a folder of this name holds; nullopt for any other name.
std::optional<int64_t> step_of_folder_name(const std::string& name);

// Steps of the committed checkpoints of a run, ascending; none if there are no
// checkpoints yet.
std::vector<int64_t> list_checkpoints(const std::string& run_folder);

// Which files of a checkpoint to read and check.
enum class Parts { kWeights, kWeightsAndOptimizer };

// A checkpoint whose files were compared with their hashes, all bytes of them.
class VerifiedCheckpoint {
 public:
  // Throws CorruptFile that names the file and what differs, and where; or
  // UserError if there is no such checkpoint.
  VerifiedCheckpoint(const std::string& folder, Parts parts);

  const std::string& folder() const { return folder_; }
  const CheckpointInfo& info() const { return manifest_.info; }
  const Safetensors& weights() const { return **weights_; }
  const Safetensors& optimizer() const;  // CHECKs that it was asked for

  // Fill the tensors of `layout` in flat vectors (padding stays as it is), or
  // what lies of them in the part of each flat vector from element `first` on.
  // Throw UserError unless names and shapes are exactly those of the layout.
  void read_weights(const tensor::TensorLayout& layout,
                    std::span<float> weights, int64_t first = 0) const;
  void read_moments(const tensor::TensorLayout& layout, std::span<float> m,
                    std::span<float> v, int64_t first = 0) const;

 private:
  std::string folder_;
  Manifest manifest_;
  std::optional<SafetensorsFile> weights_, optimizer_;
};

// A checkpoint that could not be used, and why, as a sentence for people.
struct SkippedCheckpoint {
  int64_t step = 0;
  std::string reason;
};

// The newest sound checkpoint; damaged newer ones are added to `skipped`.
// nullopt if there is none at all. Throws CorruptFile if all are damaged.
std::optional<VerifiedCheckpoint> newest_good_checkpoint(
    const std::string& run_folder, Parts parts,
    std::vector<SkippedCheckpoint>& skipped);

// A checkpoint's folder from what a person may name: such a folder itself, or a
// run, of which the given step or else the newest is meant. Throws UserError.
std::string resolve_checkpoint(const std::string& path,
                               std::optional<int64_t> step = std::nullopt);

}  // namespace colossus::checkpoint
