#include "checkpoint/checkpoint_store.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/safetensors_writer.h"

namespace colossus::checkpoint {
namespace {

using tensor::TensorEntry;
using tensor::TensorLayout;

// A folder that is being written or removed: never read.
constexpr const char* kTemporary = ".tmp";
// A committed checkpoint that one of the same step is about to replace.
constexpr const char* kReplaced = ".old";

std::string name_of(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

std::vector<TensorToWrite> tensors_of(
    const TensorLayout& layout, const std::vector<std::string>& prefixes) {
  std::vector<TensorToWrite> tensors;
  for (const std::string& prefix : prefixes) {
    for (const TensorEntry& entry : layout) {
      tensors.push_back({prefix + entry.name, Dtype::kF32, entry.shape});
    }
  }
  return tensors;
}

std::vector<TensorToWrite> weight_tensors(const TensorLayout& layout) {
  return tensors_of(layout, {""});
}

std::vector<TensorToWrite> optimizer_tensors(const TensorLayout& layout) {
  return tensors_of(layout, {"m/", "v/"});
}

void append_flat(SafetensorsWriter& file, const TensorLayout& layout,
                 std::span<const float> flat) {
  for (const TensorEntry& entry : layout) {
    const auto begin = static_cast<size_t>(entry.offset);
    const auto count = static_cast<size_t>(entry.num_elements());
    COLOSSUS_CHECK(begin + count <= flat.size(), "'{}' ends at {} of {}",
                   entry.name, begin + count, flat.size());
    file.append(flat.subspan(begin, count));
  }
}

uint64_t file_bytes(const std::vector<TensorToWrite>& tensors) {
  uint64_t bytes = safetensors_preamble(tensors, {}).size();
  for (const TensorToWrite& tensor : tensors) bytes += tensor.num_bytes();
  return bytes;
}

}  // namespace

CheckpointStore::CheckpointStore(FileSystem& fs, std::string run_folder,
                                 Retention retention)
    : fs_(fs), run_folder_(std::move(run_folder)), retention_(retention) {
  COLOSSUS_CHECK(retention.keep_last >= 1, "keep_last is {}",
                 retention.keep_last);
  const std::string folder = checkpoints_folder(run_folder_);
  if (!path_exists(folder)) {
    fs_.create_directories(folder);
    fs_.sync_directory(run_folder_);
  }
  recover();
}

std::string CheckpointStore::folder_path(const std::string& name) const {
  return join_path(checkpoints_folder(run_folder_), name);
}

void CheckpointStore::recover() {
  const std::string folder = checkpoints_folder(run_folder_);
  for (const std::string& name : list_directory(folder)) {
    if (name.ends_with(kTemporary)) {
      fs_.remove_tree(folder_path(name));
    } else if (name.ends_with(kReplaced)) {
      const std::string committed =
          name.substr(0, name.size() - std::string_view(kReplaced).size());
      if (path_exists(folder_path(committed))) {
        discard(name);
      } else {
        fs_.rename(folder_path(name), folder_path(committed));
        fs_.sync_directory(folder);
      }
    }
  }
}

void CheckpointStore::write(const CheckpointInfo& info,
                            const TensorLayout& layout,
                            std::span<const float> weights,
                            std::span<const float> m,
                            std::span<const float> v) {
  const std::string temporary =
      checkpoint_folder(run_folder_, info.step) + kTemporary;
  try {
    if (path_exists(temporary)) fs_.remove_tree(temporary);
    fs_.create_directories(temporary);
    Manifest manifest{info, {}};
    manifest.files[kWeightsFile] = write_weights(temporary, layout, weights);
    manifest.files[kOptimizerFile] = write_optimizer(temporary, layout, m, v);
    write_text(join_path(temporary, kManifestFile), write_manifest(manifest));
    fs_.sync_directory(temporary);
    commit(temporary, info.step);
  } catch (const std::runtime_error&) {
    // Give the room back; the error that led here is the one to report.
    try {
      if (path_exists(temporary)) fs_.remove_tree(temporary);
    } catch (const std::runtime_error&) {
    }
    throw;
  }
  apply_retention(info.step);
}

FileRecord CheckpointStore::write_weights(const std::string& folder,
                                          const TensorLayout& layout,
                                          std::span<const float> weights) {
  SafetensorsWriter file(fs_, join_path(folder, kWeightsFile),
                         weight_tensors(layout));
  append_flat(file, layout, weights);
  return file.finish();
}

FileRecord CheckpointStore::write_optimizer(const std::string& folder,
                                            const TensorLayout& layout,
                                            std::span<const float> m,
                                            std::span<const float> v) {
  SafetensorsWriter file(fs_, join_path(folder, kOptimizerFile),
                         optimizer_tensors(layout));
  append_flat(file, layout, m);
  append_flat(file, layout, v);
  return file.finish();
}

void CheckpointStore::write_text(const std::string& path,
                                 const std::string& text) {
  const auto file = fs_.create(path);
  file->append(text);
  file->sync();
  file->close();
}

// The rename of the temporary folder is the commit point. Where a checkpoint of
// the step is there already it steps aside first; should the process die
// between the two renames, `recover` puts it back.
void CheckpointStore::commit(const std::string& temporary, int64_t step) {
  const std::string committed = checkpoint_folder(run_folder_, step);
  const std::string replaced = committed + kReplaced;
  const bool replaces = path_exists(committed);
  if (replaces) fs_.rename(committed, replaced);
  try {
    fs_.rename(temporary, committed);
  } catch (const std::runtime_error&) {
    if (replaces) fs_.rename(replaced, committed);
    throw;
  }
  fs_.sync_directory(checkpoints_folder(run_folder_));
  if (replaces) discard(name_of(replaced));
}

// Takes the folder out of sight, durably, before its files go, so that no
// reader meets a half-removed checkpoint.
void CheckpointStore::discard(const std::string& name) {
  const std::string path = folder_path(name);
  const std::string gone = path + kTemporary;
  fs_.rename(path, gone);
  fs_.sync_directory(checkpoints_folder(run_folder_));
  fs_.remove_tree(gone);
}

void CheckpointStore::apply_retention(int64_t committed_step) {
  std::vector<int64_t> steps = list_checkpoints(run_folder_);
  // Newer ones can only be damaged ones that the run will reach again: they
  // must not push out the sound one just written.
  std::erase_if(steps, [&](int64_t step) { return step > committed_step; });
  const auto count = static_cast<int64_t>(steps.size());
  for (int64_t i = 0; i < count - retention_.keep_last; ++i) {
    const int64_t step = steps[static_cast<size_t>(i)];
    const bool kept =
        retention_.keep_every > 0 && step % retention_.keep_every == 0;
    if (!kept) discard(name_of(checkpoint_folder(run_folder_, step)));
  }
}

uint64_t checkpoint_bytes(const TensorLayout& layout) {
  return file_bytes(weight_tensors(layout)) +
         file_bytes(optimizer_tensors(layout));
}

namespace {

// Checkpoints that keep_every keeps besides the last ones: those at a common
// multiple of both intervals.
int64_t num_kept_for_good(Retention retention, CheckpointSchedule schedule) {
  if (retention.keep_every <= 0 || schedule.every <= 0) return 0;
  const int64_t factor =
      retention.keep_every / std::gcd(retention.keep_every, schedule.every);
  return schedule.num_steps / schedule.every / factor;
}

}  // namespace

void check_free_disk(const std::string& run_folder, const TensorLayout& layout,
                     Retention retention, CheckpointSchedule schedule,
                     uint64_t free_bytes) {
  const auto existing =
      static_cast<int64_t>(list_checkpoints(run_folder).size());
  const int64_t kept = num_kept_for_good(retention, schedule);
  const int64_t num_new =
      std::max<int64_t>(1, retention.keep_last + 1 + kept - existing);
  const uint64_t each = checkpoint_bytes(layout);
  const uint64_t needed = each * static_cast<uint64_t>(num_new);
  if (needed <= free_bytes) return;
  throw user_error(
      "not enough disk for the checkpoints of '{}': {} x {} = {} needed (the "
      "last {} are kept while the next is written, and {} by run.keep_every), "
      "{} free; free some space, or change run.keep_last, run.keep_every or "
      "run.dir",
      run_folder, num_new, human_bytes(each), human_bytes(needed),
      retention.keep_last, kept, human_bytes(free_bytes));
}

}  // namespace colossus::checkpoint
