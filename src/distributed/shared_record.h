// A value in shared memory that one process writes at a time and others read,
// never a torn one. Fresh memory is a record of zeros.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace colossus::distributed {

template <typename T>
class SharedRecord {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0);

 public:
  // Odd while it is written; a writer that died there is made good by the next.
  void write(const T& value) {
    const auto plain = std::bit_cast<std::array<uint64_t, kWords>>(value);
    const uint64_t writing = sequence_.load() | 1;
    sequence_.store(writing);
    for (size_t i = 0; i < kWords; ++i) {
      words_[i].store(plain[i], std::memory_order_release);
    }
    sequence_.store(writing + 1);
  }

  // Nothing while it is written: to be asked again.
  std::optional<T> read() const {
    const uint64_t sequence = sequence_.load();
    std::array<uint64_t, kWords> plain;
    for (size_t i = 0; i < kWords; ++i) {
      plain[i] = words_[i].load(std::memory_order_acquire);
    }
    if (sequence % 2 != 0 || sequence_.load() != sequence) return std::nullopt;
    return std::bit_cast<T>(plain);
  }

 private:
  static constexpr size_t kWords = sizeof(T) / 8;

  std::atomic<uint64_t> sequence_;
  std::array<std::atomic<uint64_t>, kWords> words_;
};

}  // namespace colossus::distributed
