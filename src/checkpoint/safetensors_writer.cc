#include "checkpoint/safetensors_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "checkpoint/safetensors_header.h"

namespace colossus::checkpoint {

uint64_t TensorToWrite::num_bytes() const {
  uint64_t bytes = dtype_bytes(dtype);
  for (const int64_t length : shape) bytes *= static_cast<uint64_t>(length);
  return bytes;
}

std::string safetensors_preamble(
    const std::vector<TensorToWrite>& tensors,
    const std::map<std::string, std::string>& metadata) {
  SafetensorsHeader header;
  header.metadata = metadata;
  uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    const uint64_t end = offset + tensor.num_bytes();
    header.tensors.push_back(
        {tensor.name,
         std::string(dtype_name(tensor.dtype)),
         std::vector<uint64_t>(tensor.shape.begin(), tensor.shape.end()),
         {offset, end}});
    offset = end;
  }
  std::string text = write_safetensors_header(header);
  constexpr size_t kLengthBytes = 8, kDataAlignment = 64;
  while ((kLengthBytes + text.size()) % kDataAlignment != 0) text += ' ';
  const uint64_t length = text.size();
  std::string preamble(kLengthBytes, '\0');
  std::memcpy(preamble.data(), &length, kLengthBytes);
  return preamble + text;
}

SafetensorsWriter::SafetensorsWriter(
    FileSystem& fs, const std::string& path, std::vector<TensorToWrite> tensors,
    const std::map<std::string, std::string>& metadata)
    : tensors_(std::move(tensors)), file_(fs.create(path)) {
  const std::string preamble = safetensors_preamble(tensors_, metadata);
  write(std::as_bytes(std::span(preamble.data(), preamble.size())));
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  COLOSSUS_CHECK(next_tensor_ < tensors_.size(), "all {} tensors are written",
                 tensors_.size());
  const TensorToWrite& tensor = tensors_[next_tensor_++];
  COLOSSUS_CHECK(bytes.size() == tensor.num_bytes(), "{} bytes for '{}' of {}",
                 bytes.size(), tensor.name, tensor.num_bytes());
  write(bytes);
}

// In pieces that stay in cache between the hash and the copy to the kernel.
void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(
        std::min<uint64_t>(bytes.size(), kBlockBytes - block_used_bytes_));
    hash_.update(piece.data(), piece.size());
    block_hash_.update(piece.data(), piece.size());
    file_->append(piece);
    record_.size_bytes += piece.size();
    block_used_bytes_ += piece.size();
    if (block_used_bytes_ == kBlockBytes) end_block();
    bytes = bytes.subspan(piece.size());
  }
}

void SafetensorsWriter::end_block() {
  record_.block_hashes.push_back(block_hash_.digest());
  block_hash_ = StreamingHash128();
  block_used_bytes_ = 0;
}

FileRecord SafetensorsWriter::finish() {
  COLOSSUS_CHECK(next_tensor_ == tensors_.size(), "{} of {} tensors written",
                 next_tensor_, tensors_.size());
  if (block_used_bytes_ > 0) end_block();
  record_.hash = hash_.digest();
  file_->sync();
  file_->close();
  return record_;
}

}  // namespace colossus::checkpoint
