#include "kernels/cpu/linear_plan.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace colossus::kernels::cpu {
namespace {

// A piece costs its multiply-adds; packing, as much as so many more rows for
// each of its columns, and so many columns for each row; and being handed out.
constexpr double kPackingRows = 8, kPackingCols = 7, kHandingOut = 1 << 16;
// How long a thread waits at the end for another, in pieces: they never run
// quite alike; and the pieces of several extents are not alike themselves.
constexpr double kWaiting = 0.1, kWaitingUnlike = 0.4;
// What has more parts than this, or smaller ones, is not considered.
constexpr int64_t kMaxPiecesPerThread = 32, kMinRows = 28, kMinCols = 64;
constexpr int64_t kColUnit = 32;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// An extent cut evenly: pieces of `rows` x `cols`, the last ones smaller.
struct Cut {
  int64_t rows, cols, num_pieces;
  double cost;  // of a piece, in multiply-adds
};

Cut cut_evenly(const Extent& e, int64_t cols, int64_t row_parts,
               int64_t col_parts) {
  Cut cut;
  const int64_t rows = e.row_end - e.row_begin;
  cut.rows = divide_up(rows, row_parts);
  cut.cols = divide_up(divide_up(cols, col_parts), kColUnit) * kColUnit;
  cut.num_pieces = divide_up(rows, cut.rows) * divide_up(cols, cut.cols);
  const auto r = static_cast<double>(cut.rows);
  const auto c = static_cast<double>(std::min(cut.cols, cols));
  const auto depth = static_cast<double>(e.depth);
  cut.cost = (r * c + kPackingRows * c + kPackingCols * r) * depth;
  cut.cost += kHandingOut;
  return cut;
}

// Of all even cuts the one that is done first.
Cut best_cut(const Extent& e, int64_t cols, int64_t max_rows, int64_t max_cols,
             int64_t num_extents, int num_threads) {
  const int64_t rows = e.row_end - e.row_begin;
  Cut best = {};
  double least = 0;
  const auto consider = [&](const Cut& cut) {
    double turns = static_cast<double>(cut.num_pieces) / num_threads;
    if (num_extents == 1) turns = std::ceil(turns);  // all are alike
    if (num_threads > 1) {
      turns += num_extents == 1
                   ? kWaiting
                   : kWaitingUnlike / static_cast<double>(num_extents);
    }
    if (best.num_pieces == 0 || turns * cut.cost < least) {
      best = cut;
      least = turns * cut.cost;
    }
  };
  const int64_t fewest_rows = divide_up(rows, max_rows);
  const int64_t fewest_cols = divide_up(cols, max_cols);
  const int64_t most = kMaxPiecesPerThread * num_threads;
  for (int64_t c = fewest_cols;; ++c) {
    for (int64_t r = fewest_rows;; ++r) {
      consider(cut_evenly(e, cols, r, c));
      if ((r + 1) * c > most || rows < (r + 1) * kMinRows) break;
    }
    if ((c + 1) * fewest_rows > most || cols < (c + 1) * kMinCols) break;
  }
  return best;
}

void add_pieces(const Extent& extent, int64_t cols, const Cut& cut,
                std::vector<Piece>* pieces) {
  for (int64_t col = 0; col < cols; col += cut.cols) {
    for (int64_t row = extent.row_begin; row < extent.row_end;
         row += cut.rows) {
      pieces->push_back({extent.group, row,
                         std::min(row + cut.rows, extent.row_end), col,
                         std::min(col + cut.cols, cols)});
    }
  }
}

}  // namespace

std::vector<Piece> cut_into_pieces(const std::vector<Extent>& extents,
                                   int64_t cols, int64_t max_rows,
                                   int64_t max_cols, int num_threads) {
  const int64_t num_extents =
      std::count_if(extents.begin(), extents.end(),
                    [](const Extent& e) { return e.row_end > e.row_begin; });
  std::vector<std::pair<Cut, const Extent*>> cuts;
  for (const Extent& e : extents) {
    if (e.row_end <= e.row_begin) continue;
    cuts.emplace_back(
        best_cut(e, cols, max_rows, max_cols, num_extents, num_threads), &e);
  }
  // The largest first, so that the last ones are small.
  std::stable_sort(cuts.begin(), cuts.end(), [](const auto& a, const auto& b) {
    return a.first.cost > b.first.cost;
  });
  std::vector<Piece> pieces;
  for (const auto& [cut, extent] : cuts) {
    add_pieces(*extent, cols, cut, &pieces);
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
