// Every element of the output lies in one piece, pieces keep to their bounds,
// and equal pieces go into the threads.
#include "kernels/cpu/linear_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace colossus::kernels::cpu {
namespace {

constexpr int64_t kMaxRows = 252, kMaxCols = 384;

std::vector<Piece> cut(const std::vector<Extent>& extents, int64_t cols,
                       int num_threads) {
  return cut_into_pieces(extents, cols, kMaxRows, kMaxCols, num_threads);
}

int64_t area(const Piece& p) {
  return (p.row_end - p.row_begin) * (p.col_end - p.col_begin);
}

void expect_covered_once(const std::vector<Extent>& extents, int64_t cols,
                         const std::vector<Piece>& pieces) {
  int64_t num_rows = 0;
  for (const Extent& e : extents) num_rows = std::max(num_rows, e.row_end);
  std::vector<int> times(static_cast<size_t>(num_rows * cols));
  for (const Piece& p : pieces) {
    EXPECT_LE(p.row_end - p.row_begin, kMaxRows);
    EXPECT_LE(p.col_end - p.col_begin, kMaxCols);
    for (int64_t row = p.row_begin; row < p.row_end; ++row) {
      for (int64_t col = p.col_begin; col < p.col_end; ++col) {
        ++times[static_cast<size_t>(row * cols + col)];
      }
    }
  }
  EXPECT_EQ(std::count(times.begin(), times.end(), 1),
            static_cast<int64_t>(times.size()));
}

TEST(CutIntoPieces, CoversOddSizesOnce) {
  for (const int64_t rows : {1, 3, 27, 252, 253, 1030}) {
    for (const int64_t cols : {1, 31, 33, 384, 385, 1000}) {
      for (const int threads : {1, 2, 7}) {
        const std::vector<Extent> extents = {{0, 0, rows, 5}};
        expect_covered_once(extents, cols, cut(extents, cols, threads));
      }
    }
  }
}

TEST(CutIntoPieces, CoversGroupsOnceAndPassesOverEmptyOnes) {
  const std::vector<Extent> extents = {
      {0, 0, 300, 64}, {1, 300, 300, 64}, {2, 300, 301, 64}, {3, 301, 900, 64}};
  const std::vector<Piece> pieces = cut(extents, 200, 2);
  expect_covered_once(extents, 200, pieces);
  for (const Piece& p : pieces) {
    EXPECT_NE(p.group, 1);
    const Extent& e = extents[static_cast<size_t>(p.group)];
    EXPECT_GE(p.row_begin, e.row_begin);
    EXPECT_LE(p.row_end, e.row_end);
  }
}

TEST(CutIntoPieces, OfOneExtentGoIntoTheThreads) {
  for (const int64_t cols : {192, 384, 1152, 2048}) {
    for (const int threads : {2, 3, 8}) {
      const std::vector<Piece> pieces = cut({{0, 0, 4096, 384}}, cols, threads);
      // Handed out in order, to whoever is free.
      std::vector<int64_t> work(static_cast<size_t>(threads));
      for (const Piece& p : pieces) {
        *std::min_element(work.begin(), work.end()) += area(p);
      }
      const int64_t most = *std::max_element(work.begin(), work.end());
      EXPECT_LT(static_cast<double>(most * threads),
                1.03 * static_cast<double>(4096 * cols))
          << cols << " columns, " << threads << " threads";
    }
  }
}

TEST(CutIntoPieces, HandsOutLargePiecesFirst) {
  const std::vector<Piece> pieces =
      cut({{0, 0, 40, 512}, {1, 40, 1040, 512}}, 256, 2);
  EXPECT_EQ(pieces.front().group, 1);
  EXPECT_EQ(pieces.back().group, 0);
}

}  // namespace
}  // namespace colossus::kernels::cpu
