// Lines out of a stream of bytes. Inside the data folder only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_source.h"

namespace colossus::data {

class LineReader {
 public:
  // Lines longer than `max_part_bytes` come in parts, cut between characters.
  LineReader(ByteSource& source, size_t max_part_bytes);

  struct Part {
    std::string_view bytes;  // with its newline; valid until the next call
    uint64_t offset = 0;     // of its first byte in the stream
    bool starts_line = false;
    bool ends_line = false;  // at a newline or the end of the stream
  };
  // False at the end of the stream. Parts are never empty.
  bool next(Part& part);

 private:
  bool fill();

  ByteSource& source_;
  const size_t max_part_bytes_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool source_ended_ = false;
  bool at_line_start_ = true;
  uint64_t offset_ = 0;
};

}  // namespace colossus::data
