#include "base/state_hash.h"

#include <cstring>
#include <span>

#include "base/error.h"

namespace colossus {
namespace {

using Lanes = std::array<uint64_t, StateHash::kLanes>;

void add_group(const float* x, const Lanes& keys, uint64_t vector_key,
               Lanes& product, Lanes& plain) {
  Lanes bits;
  std::memcpy(bits.data(), x, sizeof bits);
  for (size_t l = 0; l < bits.size(); ++l) {
    const uint64_t d = bits[l] ^ keys[l] ^ vector_key;
    product[l] += (d & 0xffffffff) * (d >> 32);
    plain[l] += bits[l];
  }
}

}  // namespace

void StateHash::add(int64_t first, int64_t count, const float* w,
                    const float* m, const float* v) {
  COLOSSUS_CHECK(first % kGroup == 0 && count % kGroup == 0,
                 "elements {} to {}", first, first + count);
  Lanes keys = kLaneKey, product{}, plain{};
  for (uint64_t& key : keys) {
    key += static_cast<uint64_t>(first / kGroup) * kGroupKey;
  }
  for (int64_t i = 0; i < count; i += kGroup) {
    add_group(w + i, keys, kVectorKey[0], product, plain);
    add_group(m + i, keys, kVectorKey[1], product, plain);
    add_group(v + i, keys, kVectorKey[2], product, plain);
    for (uint64_t& key : keys) key += kGroupKey;
  }
  for (size_t l = 0; l < sum.size(); ++l) sum[l] += product[l] + plain[l ^ 1];
}

Hash128 StateHash::digest() const {
  return hash128(std::as_bytes(std::span(sum)));
}

Hash128 hash_state(int64_t count, const float* w, const float* m,
                   const float* v) {
  StateHash hash;
  hash.add(0, count, w, m, v);
  return hash.digest();
}

}  // namespace colossus
