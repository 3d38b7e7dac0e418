// As much of protobuf's wire format as event files need: writing a message
// field by field (protobuf.dev/programming-guides/encoding).
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace colossus::runtime {

// A message under construction; its bytes are `bytes()`.
class ProtobufMessage {
 public:
  ProtobufMessage& integer(uint32_t field, int64_t value) {
    tag(field, kVarint);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  ProtobufMessage& real64(uint32_t field, double value) {
    tag(field, kFixed64);
    little_endian(std::bit_cast<uint64_t>(value), 8);
    return *this;
  }
  ProtobufMessage& real32(uint32_t field, float value) {
    tag(field, kFixed32);
    little_endian(std::bit_cast<uint32_t>(value), 4);
    return *this;
  }
  // Strings, bytes, and messages inside this one.
  ProtobufMessage& bytes(uint32_t field, std::string_view value) {
    tag(field, kLengthDelimited);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtobufMessage& message(uint32_t field, const ProtobufMessage& value) {
    return bytes(field, value.bytes());
  }

  const std::string& bytes() const { return bytes_; }

 private:
  enum WireType : uint32_t {
    kVarint = 0,
    kFixed64 = 1,
    kLengthDelimited = 2,
    kFixed32 = 5,
  };

  void tag(uint32_t field, WireType type) { varint(field << 3 | type); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
      bytes_ += static_cast<char>(value | 0x80);
    }
    bytes_ += static_cast<char>(value);
  }
  void little_endian(uint64_t value, int num_bytes) {
    for (int i = 0; i < num_bytes; ++i) {
      bytes_ += static_cast<char>(value >> (8 * i));
    }
  }

  std::string bytes_;
};

}  // namespace colossus::runtime
