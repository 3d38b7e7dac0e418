// One block of memory for the whole run, planned before the first step.
//
// Two passes over the same code: a planning arena only counts, then an arena of
// exactly that size hands out the pieces. So a component declares its memory
// once, as calls of `take`, and what is printed before step 1 is what is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace colossus::tensor {

inline constexpr size_t kAlignment = 64;  // bytes; a cache line, 16 floats

// Bytes by label, in order of first use: "weights", "activations", ...
using MemoryPlan = std::vector<std::pair<std::string, uint64_t>>;

uint64_t total_bytes(const MemoryPlan& plan);

class Arena {
 public:
  // Counts only; `take` returns null pointers.
  Arena();
  // When the pages of an arena become real: now, so that no step pays for it,
  // or as they are used (room that may never be needed).
  enum class Touch { kNow, kInUse };
  // Maps `bytes` (huge pages where the system has them). Throws RunError if
  // memory is short.
  explicit Arena(uint64_t bytes, Touch touch = Touch::kNow);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  bool planning() const { return base_ == nullptr; }

  // `count` elements, aligned to kAlignment, zero-filled; `label` is what the
  // plan books them under.
  template <typename T>
  T* take(int64_t count, std::string_view label) {
    return static_cast<T*>(
        take_bytes(sizeof(T) * static_cast<uint64_t>(count), label));
  }

  // A place to return to, for buffers that are not live at the same time:
  // `rewind` to a mark, and what is taken next lies over what was taken since;
  // a later mark may be returned to as well. The arena's size is the high-water
  // mark.
  uint64_t mark() const { return used_; }
  void rewind(uint64_t mark);

  uint64_t used_bytes() const { return used_; }
  uint64_t high_water_bytes() const { return high_water_; }
  const MemoryPlan& plan() const { return plan_; }

 private:
  void* take_bytes(uint64_t bytes, std::string_view label);

  std::byte* base_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t used_ = 0;
  uint64_t high_water_ = 0;
  MemoryPlan plan_;
};

}  // namespace colossus::tensor
