// How the row kernels divide their work among the threads, and what they check
// first. Where a piece ends never shows in a result.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "kernels/cpu/context.h"
#include "kernels/shards.h"

namespace colossus::kernels::cpu {

// Long enough to hide what a piece costs to hand out, short enough for balance.
inline constexpr int64_t kPieceFloats = 16 << 10;

// Calls body(begin, end) for ranges that cover [0, count); an item is about
// `floats_per_item` floats of work.
template <typename Body>
void for_each_range(const Context& context, int64_t count,
                    int64_t floats_per_item, const Body& body) {
  const int64_t items = std::max<int64_t>(
      1, kPieceFloats / std::max<int64_t>(1, floats_per_item));
  const int64_t pieces = (count + items - 1) / items;
  context.pool.run(pieces, [&](int64_t piece, int) {
    const int64_t begin = piece * items;
    body(begin, std::min(count, begin + items));
  });
}

// The same over columns, in whole cache lines: at least as many ranges as
// threads where there are columns enough.
template <typename Body>
void for_each_column_range(const Context& context, int64_t num_columns,
                           const Body& body) {
  constexpr int64_t kLine = 16, kMost = 256;
  const int64_t threads = context.pool.num_threads();
  const int64_t even = (num_columns + threads - 1) / threads;
  const int64_t width =
      std::clamp((even + kLine - 1) / kLine * kLine, kLine, kMost);
  const int64_t pieces = (num_columns + width - 1) / width;
  context.pool.run(pieces, [&](int64_t piece, int) {
    const int64_t begin = piece * width;
    body(begin, std::min(num_columns, begin + width));
  });
}

inline void check_num_shards(int64_t rows, int64_t num_shards) {
  COLOSSUS_CHECK(num_shards >= 1 && (num_shards & (num_shards - 1)) == 0,
                 "num_shards is {}, not a power of two", num_shards);
  COLOSSUS_CHECK(rows % num_shards == 0, "{} rows do not divide into {} shards",
                 rows, num_shards);
}

inline void check_shards(int64_t rows, const Shards& shards) {
  check_num_shards(rows, shards.num_shards);
  COLOSSUS_CHECK(shards.num_shards == 1 || !shards.accumulate,
                 "{} shards cannot accumulate", shards.num_shards);
}

}  // namespace colossus::kernels::cpu
