#include "distributed/frame.h"

#include "base/error.h"

namespace colossus::distributed {
namespace {

constexpr uint64_t kMagic = 0x4d524643;  // "CFRM"
constexpr uint64_t kVersion = 1;

// Writes or reads numbers of some bytes, the lowest first.
class Cursor {
 public:
  explicit Cursor(std::span<std::byte> bytes) : bytes_(bytes) {}

  void put(uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) {
      bytes_[at_++] = static_cast<std::byte>(value >> (8 * i));
    }
  }
  uint64_t get(size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      value |= std::to_integer<uint64_t>(bytes_[at_++]) << (8 * i);
    }
    return value;
  }

 private:
  std::span<std::byte> bytes_;
  size_t at_ = 0;
};

void require(bool holds, const char* what, uint64_t value) {
  if (holds) return;
  throw run_error("a frame of another machine is not valid: {} is {}", what,
                  value);
}

int64_t non_negative(uint64_t value, const char* what) {
  require(value >> 63 == 0, what, value);
  return static_cast<int64_t>(value);
}

}  // namespace

FrameHeaderBytes encode_frame_header(const FrameHeader& header) {
  FrameHeaderBytes bytes = {};
  Cursor to(bytes);
  to.put(kMagic, 4);
  to.put(kVersion, 2);
  to.put(static_cast<uint64_t>(header.kind), 2);
  to.put(header.run.high, 8);
  to.put(header.run.low, 8);
  to.put(static_cast<uint64_t>(header.view), 8);
  to.put(static_cast<uint64_t>(header.sender), 8);
  to.put(header.round, 8);
  to.put(static_cast<uint64_t>(header.a), 8);
  to.put(static_cast<uint64_t>(header.b), 8);
  to.put(header.payload_bytes, 8);
  return bytes;
}

FrameHeader decode_frame_header(const FrameHeaderBytes& bytes,
                                const Hash128& run) {
  FrameHeaderBytes copy = bytes;
  Cursor from(copy);
  const uint64_t magic = from.get(4);
  require(magic == kMagic, "its mark", magic);
  const uint64_t version = from.get(2);
  require(version == kVersion, "its version", version);
  const uint64_t kind = from.get(2);
  require(kind >= 1 && kind <= 10, "its kind", kind);
  FrameHeader header;
  header.kind = static_cast<FrameKind>(kind);
  header.run.high = from.get(8);
  header.run.low = from.get(8);
  require(header.run == run, "its run, which is another,", header.run.high);
  header.view = non_negative(from.get(8), "its view");
  header.sender = non_negative(from.get(8), "its sender");
  header.round = from.get(8);
  header.a = non_negative(from.get(8), "its first number");
  header.b = non_negative(from.get(8), "its second number");
  header.payload_bytes = from.get(8);
  return header;
}

HashBytes encode_hash(const Hash128& hash) {
  HashBytes bytes = {};
  Cursor to(bytes);
  to.put(hash.high, 8);
  to.put(hash.low, 8);
  return bytes;
}

Hash128 decode_hash(const HashBytes& bytes) {
  HashBytes copy = bytes;
  Cursor from(copy);
  Hash128 hash;
  hash.high = from.get(8);
  hash.low = from.get(8);
  return hash;
}

std::span<std::byte> FrameReader::space() {
  return (in_payload_ ? payload_ : std::span<std::byte>(bytes_)).subspan(done_);
}

bool FrameReader::filled(size_t count) {
  COLOSSUS_CHECK(count <= space().size(), "{} bytes", count);
  done_ += count;
  if (!space().empty()) return false;
  done_ = 0;
  if (!in_payload_) {
    begin_payload();
    if (in_payload_) return false;
  }
  in_payload_ = false;
  sink_.end(header_);
  return true;
}

void FrameReader::begin_payload() {
  header_ = decode_frame_header(bytes_, run_);
  payload_ = sink_.begin(header_);
  COLOSSUS_CHECK(payload_.size() == header_.payload_bytes, "{} for {} bytes",
                 payload_.size(), header_.payload_bytes);
  in_payload_ = !payload_.empty();
}

}  // namespace colossus::distributed
