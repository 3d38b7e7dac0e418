#include "base/hash.h"

#include <xxhash.h>

#include "base/error.h"

namespace colossus {

std::string Hash128::hex() const {
  return fmt::format("{:016x}{:016x}", high, low);
}

Hash128 parse_hash128(const std::string& text) {
  const bool well_formed =
      text.size() == 32 &&
      text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!well_formed) throw corrupt_file("'{}' is not a 128-bit hash", text);
  return {std::stoull(text.substr(0, 16), nullptr, 16),
          std::stoull(text.substr(16), nullptr, 16)};
}

Hash128 hash128(std::span<const std::byte> bytes) {
  const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
  return {h.high64, h.low64};
}

struct StreamingHash128::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

StreamingHash128::StreamingHash128() : state_(std::make_unique<State>()) {
  COLOSSUS_CHECK(state_->xxh != nullptr, "no memory for a hash state");
  XXH3_128bits_reset(state_->xxh);
}
StreamingHash128::~StreamingHash128() = default;
StreamingHash128::StreamingHash128(StreamingHash128&&) noexcept = default;
StreamingHash128& StreamingHash128::operator=(StreamingHash128&&) noexcept =
    default;

void StreamingHash128::update(const void* data, size_t size) {
  XXH3_128bits_update(state_->xxh, data, size);
}

Hash128 StreamingHash128::digest() const {
  const XXH128_hash_t h = XXH3_128bits_digest(state_->xxh);
  return {h.high64, h.low64};
}

}  // namespace colossus
