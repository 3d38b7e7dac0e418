#include "tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/strings.h"

namespace colossus::tensor {
namespace {

constexpr uint64_t kHugePage = 2 << 20;

uint64_t round_up(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

uint64_t total_bytes(const MemoryPlan& plan) {
  uint64_t total = 0;
  for (const auto& [label, bytes] : plan) total += bytes;
  return total;
}

Arena::Arena() = default;

Arena::Arena(uint64_t bytes, Touch touch)
    : capacity_(round_up(std::max<uint64_t>(bytes, 1), kHugePage)) {
  void* memory = mmap(nullptr, capacity_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw run_error(
        "no memory: {} are needed; use a smaller model, fewer shards together "
        "(kernels.shards_together) or a smaller run.micro_batch_size",
        human_bytes(capacity_));
  }
  base_ = static_cast<std::byte*>(memory);
  madvise(base_, capacity_, MADV_HUGEPAGE);  // best effort
  if (touch == Touch::kNow) std::memset(base_, 0, bytes);
}

Arena::~Arena() {
  if (base_ != nullptr) munmap(base_, capacity_);
}

void Arena::rewind(uint64_t mark) {
  COLOSSUS_CHECK(mark <= high_water_, "mark {} is past {}", mark, high_water_);
  used_ = mark;
}

void* Arena::take_bytes(uint64_t bytes, std::string_view label) {
  const uint64_t start = used_;
  used_ += round_up(bytes, kAlignment);
  if (used_ > high_water_) {
    const uint64_t growth = used_ - high_water_;
    high_water_ = used_;
    const auto entry =
        std::find_if(plan_.begin(), plan_.end(),
                     [&](const auto& item) { return item.first == label; });
    if (entry == plan_.end()) {
      plan_.emplace_back(std::string(label), growth);
    } else {
      entry->second += growth;
    }
  }
  if (planning()) return nullptr;
  COLOSSUS_CHECK(used_ <= capacity_, "{} needs {} of {} bytes", label, used_,
                 capacity_);
  return base_ + start;
}

}  // namespace colossus::tensor
