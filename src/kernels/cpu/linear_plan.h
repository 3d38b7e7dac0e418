// How a product is cut into pieces of its output, which threads take in turn.
// A piece holds its whole summed index. The cut is free: no bit depends on it.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/shards.h"

namespace colossus::kernels::cpu {

// The longest stretch of the summed index that a packed block holds. Not a
// constant of the numerics: chains go on from block to block.
inline constexpr int64_t kBlockK = 384;

struct Piece {
  int64_t group;
  int64_t row_begin, row_end;  // rows of the output
  int64_t col_begin, col_end;
};

// The most columns of a piece, so that its packed block stays in L2.
inline constexpr int64_t kMaxPieceCols = 384;

// The most rows of a piece: of an output that is written once, and of a
// weight's gradient, whose partial sums lie in scratch.
inline constexpr int64_t kMaxPieceRows = 504;
inline constexpr int64_t kMaxWeightPieceRows = 252;
// Of a thread's scratch, what the partial sums of a piece may take.
inline constexpr int64_t kPartialSumFloats = (5 << 19) / 4;

// What one group asks for.
struct Extent {
  int64_t group;
  int64_t row_begin, row_end;
  int64_t depth;  // of the summed index
};

// Cuts the rows of each extent, and `cols` columns, into pieces of at most
// max_rows rows and max_cols columns; smaller ones where that leaves too few
// for `num_threads`.
std::vector<Piece> cut_into_pieces(const std::vector<Extent>& extents,
                                   int64_t cols, int64_t max_rows,
                                   int64_t max_cols, int num_threads);

// The rows of a group, and of a shard's part of it.
struct RowRange {
  int64_t begin, end;
};
RowRange rows_of_group(const RowGroups& groups, int64_t group,
                       int64_t num_shards, int64_t rows);
RowRange rows_of_segment(const RowGroups& groups, int64_t group, int64_t shard,
                         int64_t num_shards, int64_t rows);

// The rows of every group, each summed over `depth`.
std::vector<Extent> extents_of_groups(const RowGroups& groups,
                                      int64_t num_shards, int64_t rows,
                                      int64_t depth);

}  // namespace colossus::kernels::cpu
