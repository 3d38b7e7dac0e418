// safetensors files (https://huggingface.co/docs/safetensors), read strictly.
//
// Nothing in the file is trusted: the header's length is bounded before use,
// its JSON may only have the one form that the format knows, and the tensors
// must cover the data exactly, in order, without gap or overlap. Whatever else
// is a CorruptFile that names file, tensor and offset. The data itself carries
// no checksum: that is the manifest's part (manifest.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"

namespace colossus::checkpoint {

enum class Dtype {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E5M2,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
};

std::string_view dtype_name(Dtype dtype);  // "F32"
uint64_t dtype_bytes(Dtype dtype);

// One tensor of a file. The bytes belong to whoever owns the file's; they may
// be unaligned.
struct StoredTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  uint64_t offset = 0;  // of its first byte in the file
  std::span<const std::byte> bytes;

  int64_t num_elements() const {
    return static_cast<int64_t>(bytes.size() / dtype_bytes(dtype));
  }
};

// A parsed file over bytes that the caller keeps alive.
class Safetensors {
 public:
  // `source` names the file in messages. Throws CorruptFile.
  Safetensors(std::span<const std::byte> file, const std::string& source);

  const std::string& source() const { return source_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const {
    return metadata_;
  }

  const StoredTensor* find(const std::string& name) const;  // null if missing
  // Throws CorruptFile if there is none.
  const StoredTensor& get(const std::string& name) const;

 private:
  std::string source_;
  std::vector<StoredTensor> tensors_;  // in the order of the data
  std::map<std::string, size_t> index_;
  std::map<std::string, std::string> metadata_;
};

// The same over a memory-mapped file, which it owns.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path)
      : file_(path), parsed_(file_.bytes(), path) {}

  const Safetensors& operator*() const { return parsed_; }
  const Safetensors* operator->() const { return &parsed_; }
  std::span<const std::byte> bytes() const { return file_.bytes(); }

 private:
  MappedFile file_;
  Safetensors parsed_;
};

// Element `index` as a double: exact for every dtype but 64-bit integers beyond
// 2^53. Throws UserError for the 8-bit floats.
double element_as_double(const StoredTensor& tensor, int64_t index);
std::vector<double> read_as_doubles(const StoredTensor& tensor);

// Copies an F32 tensor of exactly out.size() elements; CHECKs that it is one.
void copy_f32(const StoredTensor& tensor, std::span<float> out);

// "[3, 4]"
std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace colossus::checkpoint
