// Writes a safetensors file front to back: the header from the tensors that
// will come, then their data in that order, hashed on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"
#include "checkpoint/safetensors.h"

namespace colossus::checkpoint {

struct TensorToWrite {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;

  uint64_t num_bytes() const;
};

// What was written, and what a reader must find. Block hashes tell where a
// damaged file differs; the hash over all tells that it does.
struct FileRecord {
  uint64_t size_bytes = 0;
  Hash128 hash;
  std::vector<Hash128> block_hashes;  // of each kBlockBytes of the file
  bool operator==(const FileRecord&) const = default;
};

inline constexpr uint64_t kBlockBytes = uint64_t{4} << 20;

// Length and header, padded so that the data starts at a multiple of 64 bytes.
std::string safetensors_preamble(
    const std::vector<TensorToWrite>& tensors,
    const std::map<std::string, std::string>& metadata);

class SafetensorsWriter {
 public:
  // Creates the file and writes its header.
  SafetensorsWriter(FileSystem& fs, const std::string& path,
                    std::vector<TensorToWrite> tensors,
                    const std::map<std::string, std::string>& metadata = {});

  // All bytes of the next tensor of the list.
  void append(std::span<const std::byte> bytes);
  void append(std::span<const float> values) { append(std::as_bytes(values)); }

  // Syncs and closes the file; every tensor must have been appended.
  FileRecord finish();

 private:
  void write(std::span<const std::byte> bytes);
  void end_block();

  const std::vector<TensorToWrite> tensors_;
  size_t next_tensor_ = 0;
  std::unique_ptr<WritableFile> file_;
  StreamingHash128 hash_, block_hash_;
  uint64_t block_used_bytes_ = 0;
  FileRecord record_;
};

}  // namespace colossus::checkpoint
