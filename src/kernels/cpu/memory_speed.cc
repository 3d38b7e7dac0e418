#include "kernels/cpu/memory_speed.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/arena.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/memory_speed.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The sum of `count` floats, a multiple of 64 * num_streams, read as
// num_streams (1 or 4) runs side by side.
float sum_streams(const float* x, int64_t count, int64_t num_streams) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t run = count / num_streams;
  auto a = hn::Zero(d), b = a, c = a, e = a;
  if (num_streams == 1) {
    for (int64_t i = 0; i < run; i += 4 * lanes) {
      a = hn::Add(a, hn::Load(d, x + i));
      b = hn::Add(b, hn::Load(d, x + i + lanes));
      c = hn::Add(c, hn::Load(d, x + i + 2 * lanes));
      e = hn::Add(e, hn::Load(d, x + i + 3 * lanes));
    }
  } else {
    for (int64_t i = 0; i < run; i += lanes) {
      a = hn::Add(a, hn::Load(d, x + i));
      b = hn::Add(b, hn::Load(d, x + i + run));
      c = hn::Add(c, hn::Load(d, x + i + 2 * run));
      e = hn::Add(e, hn::Load(d, x + i + 3 * run));
    }
  }
  return hn::GetLane(hn::Add(hn::Add(a, b), hn::Add(c, e)));
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels {
namespace {

HWY_EXPORT(sum_streams);

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

// A piece of a pass: 1 MiB, so that threads end together.
constexpr int64_t kPiece = int64_t{1} << 18;  // floats

}  // namespace

MemorySpeed::MemorySpeed(ThreadPool& pool, int64_t bytes)
    : pool_(pool),
      arena_(std::make_unique<tensor::Arena>(static_cast<uint64_t>(bytes))),
      block_(arena_->take<float>(bytes / 4, "bandwidth")),
      count_(bytes / 4 / (2 * kPiece) * (2 * kPiece)) {}

MemorySpeed::~MemorySpeed() = default;

double MemorySpeed::read() {
  return std::max(read_streams(1), read_streams(4));
}

double MemorySpeed::read_streams(int64_t num_streams) {
  const int64_t pieces = count_ / kPiece;
  std::vector<float> sums(static_cast<size_t>(pieces));
  const auto begin = SteadyClock::now();
  pool_.run(pieces, [&](int64_t piece, int) {
    sums[static_cast<size_t>(piece)] = HWY_DYNAMIC_DISPATCH(sum_streams)(
        block_ + piece * kPiece, kPiece, num_streams);
  });
  return static_cast<double>(count_) * sizeof(float) / seconds_since(begin);
}

double MemorySpeed::copy() {
  const int64_t half = count_ / 2;
  const auto begin = SteadyClock::now();
  pool_.run(half / kPiece, [&](int64_t piece, int) {
    std::memcpy(block_ + half + piece * kPiece, block_ + piece * kPiece,
                kPiece * sizeof(float));
  });
  return static_cast<double>(count_) * sizeof(float) / seconds_since(begin);
}

}  // namespace colossus::kernels
#endif  // HWY_ONCE
