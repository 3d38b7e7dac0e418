#include "checkpoint/checkpoint_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/file_system.h"
#include "base/hash.h"

namespace colossus::checkpoint {
namespace {

constexpr std::string_view kStepPrefix = "step-";

// Where the bytes first differ from their block hashes, as a sentence.
std::string where_damaged(std::span<const std::byte> bytes,
                          const FileRecord& record) {
  for (size_t block = 0; block < record.block_hashes.size(); ++block) {
    const uint64_t begin = block * kBlockBytes;
    const uint64_t size = std::min<uint64_t>(kBlockBytes, bytes.size() - begin);
    if (hash128(bytes.subspan(begin, size)) != record.block_hashes[block]) {
      return fmt::format("first between offset {} and {}", begin, begin + size);
    }
  }
  return "though each block of it matches its own hash";
}

// Block by block, none of which stays in memory.
Hash128 hash_file(std::span<const std::byte> bytes) {
  StreamingHash128 hash;
  for (uint64_t begin = 0; begin < bytes.size(); begin += kBlockBytes) {
    const auto block = bytes.subspan(
        begin, std::min<uint64_t>(kBlockBytes, bytes.size() - begin));
    hash.update(block.data(), block.size());
    release_pages(block);
  }
  return hash.digest();
}

void verify_file(std::span<const std::byte> bytes, const FileRecord& record,
                 const std::string& path) {
  if (bytes.size() != record.size_bytes) {
    throw corrupt_file("'{}': it has {} bytes, its manifest says {}", path,
                       bytes.size(), record.size_bytes);
  }
  if (hash_file(bytes) != record.hash) {
    throw corrupt_file("'{}': its bytes differ from what was written, {}", path,
                       where_damaged(bytes, record));
  }
}

// A file that is missing from a committed checkpoint is damage, not a slip.
[[noreturn]] void throw_unreadable(const UserError& error) {
  throw corrupt_file("{}", error.what());
}

Manifest load_manifest(const std::string& folder) {
  if (!is_directory(folder)) {
    throw user_error("no checkpoint '{}'; check the path", folder);
  }
  const std::string path = join_path(folder, kManifestFile);
  std::string text;
  try {
    text = read_file(path);
  } catch (const UserError& error) {
    throw_unreadable(error);
  }
  return parse_manifest(text, path);
}

SafetensorsFile load_file(const std::string& folder, const Manifest& manifest,
                          const std::string& name) {
  const std::string path = join_path(folder, name);
  const auto record = manifest.files.find(name);
  if (record == manifest.files.end()) {
    throw corrupt_file("'{}': '{}' is not in its manifest", folder, name);
  }
  try {
    verify_file(MappedFile(path).bytes(), record->second, path);
    return SafetensorsFile(path);
  } catch (const UserError& error) {
    throw_unreadable(error);
  }
}

// Copies what of `stored`, a tensor that begins at element `offset` of the flat
// vector, lies in `part`, which begins at `first`.
void copy_part(const StoredTensor& stored, int64_t offset,
               std::span<float> part, int64_t first) {
  const int64_t begin = std::max(offset, first);
  const int64_t end = std::min(offset + stored.num_elements(),
                               first + static_cast<int64_t>(part.size()));
  if (begin >= end) return;
  const auto from = static_cast<size_t>(begin - offset) * sizeof(float);
  std::memcpy(part.data() + (begin - first), stored.bytes.data() + from,
              static_cast<size_t>(end - begin) * sizeof(float));
}

// Fills `part` with what lies in it of the tensors `prefix` + name.
void read_flat(const Safetensors& file, const std::string& prefix,
               const tensor::TensorLayout& layout, std::span<float> part,
               int64_t first) {
  for (const tensor::TensorEntry& entry : layout) {
    const StoredTensor* stored = file.find(prefix + entry.name);
    const bool fits = stored != nullptr && stored->dtype == Dtype::kF32 &&
                      stored->shape == entry.shape;
    if (!fits) {
      throw user_error(
          "'{}' has {} where this model has '{}{}' F32 {}; use the config that "
          "wrote the checkpoint",
          file.source(),
          stored == nullptr ? "no such tensor"
                            : fmt::format("{} {}", dtype_name(stored->dtype),
                                          shape_text(stored->shape)),
          prefix, entry.name, shape_text(entry.shape));
    }
    copy_part(*stored, entry.offset, part, first);
    release_pages(stored->bytes);
  }
}

void require_num_tensors(const Safetensors& file, size_t expected) {
  if (file.tensors().size() == expected) return;
  throw user_error(
      "'{}' has {} tensors where this model has {}; use the config that wrote "
      "the checkpoint",
      file.source(), file.tensors().size(), expected);
}

}  // namespace

std::string checkpoints_folder(const std::string& run_folder) {
  return join_path(run_folder, "checkpoints");
}

std::string checkpoint_folder(const std::string& run_folder, int64_t step) {
  COLOSSUS_CHECK(step >= 0, "step {}", step);
  return join_path(checkpoints_folder(run_folder),
                   fmt::format("{}{:08}", kStepPrefix, step));
}

std::optional<int64_t> step_of_folder_name(const std::string& name) {
  if (!name.starts_with(kStepPrefix)) return std::nullopt;
  const std::string_view digits =
      std::string_view(name).substr(kStepPrefix.size());
  int64_t step = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, step);
  const bool canonical = error == std::errc() && stop == end && step >= 0 &&
                         digits == fmt::format("{:08}", step);
  return canonical ? std::optional(step) : std::nullopt;
}

std::vector<int64_t> list_checkpoints(const std::string& run_folder) {
  std::vector<int64_t> steps;
  const std::string folder = checkpoints_folder(run_folder);
  if (!path_exists(folder)) return steps;
  for (const std::string& name : list_directory(folder)) {
    if (const auto step = step_of_folder_name(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

VerifiedCheckpoint::VerifiedCheckpoint(const std::string& folder, Parts parts)
    : folder_(folder), manifest_(load_manifest(folder)) {
  const std::string name = folder.substr(folder.find_last_of('/') + 1);
  const auto named_step = step_of_folder_name(name);
  if (named_step && *named_step != manifest_.info.step) {
    throw corrupt_file("'{}': its manifest is that of step {}", folder,
                       manifest_.info.step);
  }
  weights_.emplace(load_file(folder, manifest_, kWeightsFile));
  if (parts == Parts::kWeightsAndOptimizer) {
    optimizer_.emplace(load_file(folder, manifest_, kOptimizerFile));
  }
}

const Safetensors& VerifiedCheckpoint::optimizer() const {
  COLOSSUS_CHECK(optimizer_.has_value(), "'{}' was opened without optimizer",
                 folder_);
  return **optimizer_;
}

void VerifiedCheckpoint::read_weights(const tensor::TensorLayout& layout,
                                      std::span<float> weights,
                                      int64_t first) const {
  require_num_tensors(this->weights(), layout.size());
  read_flat(this->weights(), "", layout, weights, first);
}

void VerifiedCheckpoint::read_moments(const tensor::TensorLayout& layout,
                                      std::span<float> m, std::span<float> v,
                                      int64_t first) const {
  require_num_tensors(optimizer(), 2 * layout.size());
  read_flat(optimizer(), "m/", layout, m, first);
  read_flat(optimizer(), "v/", layout, v, first);
}

std::optional<VerifiedCheckpoint> newest_good_checkpoint(
    const std::string& run_folder, Parts parts,
    std::vector<SkippedCheckpoint>& skipped) {
  std::vector<int64_t> steps = list_checkpoints(run_folder);
  std::reverse(steps.begin(), steps.end());
  for (const int64_t step : steps) {
    try {
      return VerifiedCheckpoint(checkpoint_folder(run_folder, step), parts);
    } catch (const CorruptFile& error) {
      skipped.push_back({step, error.what()});
    }
  }
  if (steps.empty()) return std::nullopt;
  throw corrupt_file("all {} checkpoints in '{}' are damaged; the newest: {}",
                     steps.size(), checkpoints_folder(run_folder),
                     skipped.front().reason);
}

std::string resolve_checkpoint(const std::string& path,
                               std::optional<int64_t> step) {
  if (path_exists(join_path(path, kManifestFile))) {
    if (step) {
      throw user_error("'{}' is one checkpoint; name its run to choose a step",
                       path);
    }
    return path;
  }
  if (!is_directory(path)) {
    throw user_error("no run or checkpoint '{}'; check the path", path);
  }
  const std::vector<int64_t> steps = list_checkpoints(path);
  if (steps.empty()) {
    throw user_error("no checkpoint in '{}'; name a run that has one",
                     checkpoints_folder(path));
  }
  if (!step) return checkpoint_folder(path, steps.back());
  if (std::find(steps.begin(), steps.end(), *step) == steps.end()) {
    std::string known;
    for (const int64_t each : steps) known += fmt::format(" {}", each);
    throw user_error("'{}' has no checkpoint of step {}; it has those of{}",
                     path, *step, known);
  }
  return checkpoint_folder(path, *step);
}

}  // namespace colossus::checkpoint
