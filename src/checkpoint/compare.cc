#include "checkpoint/compare.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/file_system.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/safetensors.h"

namespace colossus::checkpoint {
namespace {

void hash_number(StreamingHash128& hash, uint64_t value) {
  hash.update(&value, sizeof(value));
}

void hash_text(StreamingHash128& hash, std::string_view text) {
  hash_number(hash, text.size());
  hash.update(text.data(), text.size());
}

void hash_tensors(StreamingHash128& hash, const Safetensors& file) {
  std::vector<const StoredTensor*> tensors;
  for (const StoredTensor& tensor : file.tensors()) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(),
            [](const auto* a, const auto* b) { return a->name < b->name; });
  hash_number(hash, tensors.size());
  for (const StoredTensor* tensor : tensors) {
    hash_text(hash, tensor->name);
    hash_text(hash, dtype_name(tensor->dtype));
    hash_number(hash, tensor->shape.size());
    for (const int64_t length : tensor->shape) {
      hash_number(hash, static_cast<uint64_t>(length));
    }
    hash.update(tensor->bytes.data(), tensor->bytes.size());
    release_pages(tensor->bytes);
  }
}

// The element's place in the tensor: "[3, 17]".
std::string index_text(int64_t element, const std::vector<int64_t>& shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    index[i] = element % shape[i];
    element /= shape[i];
  }
  return shape_text(index);
}

// The bits as one hexadecimal number, most significant digit first.
std::string bits_text(std::span<const std::byte> bytes) {
  std::string text = "0x";
  for (size_t i = bytes.size(); i-- > 0;) {
    text += fmt::format("{:02x}", static_cast<unsigned>(bytes[i]));
  }
  return text;
}

std::string element_text(const StoredTensor& tensor, int64_t element) {
  const uint64_t size = dtype_bytes(tensor.dtype);
  return fmt::format("{:.9g} ({})", element_as_double(tensor, element),
                     bits_text(tensor.bytes.subspan(
                         static_cast<size_t>(element) * size, size)));
}

// How two tensors differ, as a phrase; nullopt if they are the same. Bits are
// compared, not values: 0 and -0 differ, a NaN equals itself.
std::optional<std::string> difference(const StoredTensor& a,
                                      const StoredTensor* b) {
  if (b == nullptr) return "only A has it";
  if (a.dtype != b->dtype || a.shape != b->shape) {
    return fmt::format("A has {} {}, B has {} {}", dtype_name(a.dtype),
                       shape_text(a.shape), dtype_name(b->dtype),
                       shape_text(b->shape));
  }
  const bool same =
      a.bytes.empty() ||
      std::memcmp(a.bytes.data(), b->bytes.data(), a.bytes.size()) == 0;
  if (same) return std::nullopt;
  const auto at =
      std::mismatch(a.bytes.begin(), a.bytes.end(), b->bytes.begin()).first;
  const auto byte = static_cast<uint64_t>(at - a.bytes.begin());
  const auto element = static_cast<int64_t>(byte / dtype_bytes(a.dtype));
  return fmt::format("element {}: A {}, B {}", index_text(element, a.shape),
                     element_text(a, element), element_text(*b, element));
}

void diff_files(const Safetensors& a, const Safetensors& b,
                CheckpointDiff& diff) {
  const auto note = [&](const std::string& name, const std::string& what) {
    if (diff.num_tensors_differ++ > 0) return;
    diff.first_tensor = name;
    diff.first_difference = what;
  };
  for (const StoredTensor& tensor : a.tensors()) {
    ++diff.num_tensors;
    const auto what = difference(tensor, b.find(tensor.name));
    if (what) note(tensor.name, *what);
  }
  for (const StoredTensor& tensor : b.tensors()) {
    if (a.find(tensor.name) != nullptr) continue;
    ++diff.num_tensors;
    note(tensor.name, "only B has it");
  }
}

Hash128 hash_of(const VerifiedCheckpoint& checkpoint) {
  StreamingHash128 hash;
  hash_number(hash, static_cast<uint64_t>(checkpoint.info().step));
  hash_tensors(hash, checkpoint.weights());
  hash_tensors(hash, checkpoint.optimizer());
  return hash.digest();
}

}  // namespace

Hash128 hash_checkpoint(const std::string& folder) {
  return hash_of(VerifiedCheckpoint(folder, Parts::kWeightsAndOptimizer));
}

std::string hash_checkpoint_text(const std::string& folder) {
  const VerifiedCheckpoint checkpoint(folder, Parts::kWeightsAndOptimizer);
  return fmt::format("step {}  {}", checkpoint.info().step,
                     hash_of(checkpoint).hex());
}

CheckpointDiff diff_checkpoints(const std::string& folder_a,
                                const std::string& folder_b) {
  const VerifiedCheckpoint a(folder_a, Parts::kWeightsAndOptimizer);
  const VerifiedCheckpoint b(folder_b, Parts::kWeightsAndOptimizer);
  CheckpointDiff diff;
  diff.step_a = a.info().step;
  diff.step_b = b.info().step;
  diff_files(a.weights(), b.weights(), diff);
  diff_files(a.optimizer(), b.optimizer(), diff);
  return diff;
}

std::string diff_text(const CheckpointDiff& diff) {
  if (diff.identical()) return "identical";
  std::string text;
  if (diff.step_a != diff.step_b) {
    text += fmt::format("step: A {}, B {}\n", diff.step_a, diff.step_b);
  }
  if (diff.num_tensors_differ > 0) {
    text += fmt::format("first difference: '{}', {}\n", diff.first_tensor,
                        diff.first_difference);
  }
  return text + fmt::format("{} of {} tensors differ", diff.num_tensors_differ,
                            diff.num_tensors);
}

}  // namespace colossus::checkpoint
