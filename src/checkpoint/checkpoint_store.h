// The checkpoints of one run as their writer sees them: commit, retention, and
// tidying up after a death. docs/formats/checkpoint.md describes the files.
//
// One process writes at a time: RunLock (run_lock.h) sees to that.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/file_system.h"
#include "checkpoint/manifest.h"
#include "tensor/tensor_entry.h"

namespace colossus::checkpoint {

// The newest `keep_last` (at least 1), and of those before them the ones whose
// step is a multiple of `keep_every` (0: none).
struct Retention {
  int64_t keep_last = 2;
  int64_t keep_every = 0;
};

class CheckpointStore {
 public:
  // Creates runs/NAME/checkpoints, and ends what a killed writer had begun:
  // half-written checkpoints are removed, half-replaced ones put back.
  CheckpointStore(FileSystem& fs, std::string run_folder, Retention retention);

  // Returns when the checkpoint is durable and those that retention lets go are
  // gone. The spans are flat vectors that hold the layout's tensors. A
  // checkpoint of the same step is replaced. On an error (disk full, no
  // permission) what was there before is still there.
  void write(const CheckpointInfo& info, const tensor::TensorLayout& layout,
             std::span<const float> weights, std::span<const float> m,
             std::span<const float> v);

  const std::string& run_folder() const { return run_folder_; }

 private:
  std::string folder_path(const std::string& name) const;
  void recover();
  FileRecord write_weights(const std::string& folder,
                           const tensor::TensorLayout& layout,
                           std::span<const float> weights);
  FileRecord write_optimizer(const std::string& folder,
                             const tensor::TensorLayout& layout,
                             std::span<const float> m,
                             std::span<const float> v);
  void write_text(const std::string& path, const std::string& text);
  void commit(const std::string& temporary, int64_t step);
  void discard(const std::string& name);
  void apply_retention(int64_t committed_step);

  FileSystem& fs_;
  const std::string run_folder_;
  const Retention retention_;
};

// The size of one checkpoint to the byte, but for its manifest.
uint64_t checkpoint_bytes(const tensor::TensorLayout& layout);

// When a run writes its checkpoints: every so many steps, up to its last.
struct CheckpointSchedule {
  int64_t every = 0, num_steps = 0;
};

// Room is needed for the last keep_last, the one being written, and what
// keep_every keeps until the run's end; those that are there count. Throws
// UserError that prints the sum if `free_bytes` is less.
void check_free_disk(const std::string& run_folder,
                     const tensor::TensorLayout& layout, Retention retention,
                     CheckpointSchedule schedule, uint64_t free_bytes);

}  // namespace colossus::checkpoint
