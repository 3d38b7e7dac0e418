#include "data/line_reader.h"

#include <algorithm>
#include <cstring>

#include "data/utf8.h"

namespace colossus::data {
namespace {

constexpr size_t kReadBytes = 256 << 10;

}  // namespace

LineReader::LineReader(ByteSource& source, size_t max_part_bytes)
    : source_(source),
      max_part_bytes_(std::max<size_t>(max_part_bytes, 8)),
      buffer_(max_part_bytes_ + kReadBytes) {}

// Moves what is left to the front and reads more behind it.
bool LineReader::fill() {
  if (source_ended_) return false;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const size_t count =
      source_.read(buffer_.data() + end_, buffer_.size() - end_);
  end_ += count;
  source_ended_ = count == 0;
  return count > 0;
}

bool LineReader::next(Part& part) {
  size_t searched = 0;
  size_t size = 0;
  bool has_newline = false;
  while (true) {
    const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
    const size_t newline = rest.find('\n', searched);
    has_newline =
        newline != std::string_view::npos && newline < max_part_bytes_;
    if (has_newline) {
      size = newline + 1;
      break;
    }
    searched = rest.size();
    if (rest.size() > max_part_bytes_) {
      size = utf8_cut(rest, max_part_bytes_);
      break;
    }
    if (!fill()) {
      size = rest.size();
      break;
    }
  }
  if (size == 0) return false;
  part.bytes = {buffer_.data() + begin_, size};
  part.offset = offset_;
  part.starts_line = at_line_start_;
  part.ends_line = has_newline || (source_ended_ && begin_ + size == end_);
  at_line_start_ = has_newline;
  begin_ += size;
  offset_ += size;
  return true;
}

}  // namespace colossus::data
