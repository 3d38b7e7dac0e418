// 128-bit content hashes (XXH3), for checksums of files and for the one hash by
// which two runs are shown to be the same. Not a defence against malice.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace colossus {

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const Hash128&) const = default;
  std::string hex() const;  // 32 lower-case digits, high first
};

// Throws CorruptFile unless `text` is 32 hexadecimal digits.
Hash128 parse_hash128(const std::string& text);

Hash128 hash128(std::span<const std::byte> bytes);

// The same, fed in pieces: the result depends on the bytes, not on the cuts.
class StreamingHash128 {
 public:
  StreamingHash128();
  ~StreamingHash128();
  StreamingHash128(StreamingHash128&&) noexcept;
  StreamingHash128& operator=(StreamingHash128&&) noexcept;

  void update(const void* data, size_t size);
  Hash128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace colossus
