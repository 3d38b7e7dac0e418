// libFuzzer: any bytes are refused as CorruptFile, or give tensors that lie in
// the file one behind the other and can be read.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "checkpoint/safetensors.h"

namespace {

void read_all(std::span<const std::byte> file) {
  using namespace colossus::checkpoint;
  const Safetensors parsed(file, "fuzz");
  uint64_t next = 0;
  for (const StoredTensor& tensor : parsed.tensors()) {
    COLOSSUS_CHECK(tensor.offset >= next, "'{}' overlaps", tensor.name);
    next = tensor.offset + tensor.bytes.size();
    COLOSSUS_CHECK(next <= file.size(), "'{}' leaves the file", tensor.name);
    const bool readable =
        tensor.dtype != Dtype::kF8E4M3 && tensor.dtype != Dtype::kF8E5M2;
    if (readable) read_as_doubles(tensor);
  }
  COLOSSUS_CHECK(parsed.tensors().empty() || next == file.size(),
                 "{} of {} bytes belong to a tensor", next, file.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    read_all(std::as_bytes(std::span(data, size)));
  } catch (const colossus::CorruptFile&) {
  }
  return 0;
}
