#include "kernels/cpu/linear_plan.h"

#include <algorithm>

namespace colossus::kernels::cpu {
namespace {

// Enough that a thread that is held up leaves its share to the others.
constexpr int64_t kPiecesPerThread = 8;
// Multiply-adds under which handing out a piece, and packing for it alone,
// costs more than it brings.
constexpr int64_t kMinWork = 1 << 20;
// A piece keeps at least this, for packing pays by reuse.
constexpr int64_t kMinRows = 84, kMinCols = 64;
constexpr int64_t kColUnit = 32;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `count` in equal parts, each a multiple of `unit` (but the last) and at most
// about `most`: the length of a part.
int64_t part_length(int64_t count, int64_t most, int64_t unit) {
  const int64_t num_parts = std::max<int64_t>(1, divide_up(count, most));
  return divide_up(divide_up(count, num_parts), unit) * unit;
}

// Reading an operand costs as much as so many rows of multiply-adds.
constexpr int64_t kReading = 16;

int64_t work_of(int64_t rows, int64_t cols, int64_t depth) {
  return (rows + kReading) * cols * std::max<int64_t>(depth, 1);
}

void cut_extent(const Extent& extent, int64_t cols, int64_t row_part,
                int64_t col_part, std::vector<Piece>* pieces) {
  for (int64_t col = 0; col < cols; col += col_part) {
    for (int64_t row = extent.row_begin; row < extent.row_end;
         row += row_part) {
      pieces->push_back({extent.group, row,
                         std::min(row + row_part, extent.row_end), col,
                         std::min(col + col_part, cols)});
    }
  }
}

}  // namespace

std::vector<Piece> cut_into_pieces(const std::vector<Extent>& extents,
                                   int64_t cols, int64_t max_rows,
                                   int64_t max_cols, int num_threads) {
  int64_t total = 0;
  for (const Extent& e : extents) {
    total += work_of(e.row_end - e.row_begin, cols, e.depth);
  }
  const int64_t wanted =
      std::max(kMinWork, total / (kPiecesPerThread * num_threads));
  std::vector<Piece> pieces;
  for (const Extent& e : extents) {
    const int64_t rows = e.row_end - e.row_begin;
    if (rows <= 0) continue;
    int64_t col_part = part_length(cols, max_cols, kColUnit);
    const int64_t wanted_rows = std::clamp(
        wanted / (col_part * std::max<int64_t>(e.depth, 1)) - kReading,
        std::min(kMinRows, max_rows), max_rows);
    const int64_t row_part = part_length(rows, wanted_rows, 1);
    if (work_of(row_part, col_part, e.depth) > wanted) {
      const int64_t wanted_cols = std::clamp(
          wanted / work_of(row_part, 1, e.depth), kMinCols, max_cols);
      col_part = part_length(cols, wanted_cols, kColUnit);
    }
    cut_extent(e, cols, row_part, col_part, &pieces);
  }
  return pieces;
}

RowRange rows_of_group(const RowGroups& groups, int64_t group,
                       int64_t num_shards, int64_t rows) {
  if (groups.segment_begin == nullptr) return {0, rows};
  return {groups.segment_begin[group * num_shards],
          groups.segment_begin[(group + 1) * num_shards]};
}

RowRange rows_of_segment(const RowGroups& groups, int64_t group, int64_t shard,
                         int64_t num_shards, int64_t rows) {
  if (groups.segment_begin == nullptr) {
    const int64_t length = rows / num_shards;
    return {shard * length, (shard + 1) * length};
  }
  const int32_t* begin = groups.segment_begin + group * num_shards + shard;
  return {begin[0], begin[1]};
}

std::vector<Extent> extents_of_groups(const RowGroups& groups,
                                      int64_t num_shards, int64_t rows,
                                      int64_t depth) {
  std::vector<Extent> extents;
  for (int64_t group = 0; group < groups.num_groups; ++group) {
    const RowRange range = rows_of_group(groups, group, num_shards, rows);
    extents.push_back({group, range.begin, range.end, depth});
  }
  return extents;
}

}  // namespace colossus::kernels::cpu
