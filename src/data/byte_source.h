// Streams of bytes: a file, memory, and the same decompressed (gzip, zstd) with
// bounded memory whatever the size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace colossus::data {

// One owner, one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `out` with 1 to `size` bytes and returns their number; 0 = the end.
  // UserError, RunError or CorruptFile, naming the file and the offset.
  virtual size_t read(char* out, size_t size) = 0;
  // Bytes taken so far from what lies on disk: for progress.
  virtual uint64_t num_bytes_consumed() const = 0;
};

enum class Compression { kNone, kGzip, kZstd };

// Reads a file, "-" for standard input.
std::unique_ptr<ByteSource> open_byte_source(const std::string& path);

// Reads `bytes`, which must outlive the result.
std::unique_ptr<ByteSource> memory_source(std::string_view bytes);

// Decompresses what `compressed` gives; several members or frames one after the
// other are one text. `name` stands in messages. CorruptFile where the data is
// damaged or ends early.
std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> compressed,
                                       Compression compression,
                                       const std::string& name);

}  // namespace colossus::data
