// The gradient of a weight: a chain for each shard, then the tree over shards,
// both while the piece is in cache.
//
// The partial sums of a piece form a stack, as a binary counter's digits do:
// after shard s, the sums of the aligned blocks that end there are added, left
// + right, so log2(num_shards) + 1 buffers of one piece suffice. A tile adds
// them while it still holds the shard's sum in registers.
#include <algorithm>
#include <bit>
#include <vector>

#include "base/error.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/linear_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear_weight.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/linear_block-inl.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// One piece of one group's dw.
struct WeightPiece {
  const LinearBackwardWeight& args;
  const Piece& piece;
  Scratch scratch;
  TileBlock dw;  // the piece's place in it
  int64_t rows, cols;

  WeightPiece(const LinearBackwardWeight& call, const Piece& part, float* base)
      : args(call), piece(part), scratch(base) {
    rows = piece.row_end - piece.row_begin;
    cols = piece.col_end - piece.col_begin;
    dw = {args.dw_OI + piece.group * args.groups.weight_stride +
              piece.row_begin * args.in_dim + piece.col_begin,
          args.in_dim};
  }

  TileBlock partial_sum(int64_t level) const {
    return {scratch.rest + level * rows * cols, cols};
  }

  // The chain of one shard, which rests in `rest`, and what it is added to.
  void multiply_shard(int64_t shard, bool resume, const TileBlock& rest,
                      const Carry& carry, const TileBlock& to) const {
    const RowRange range = rows_of_segment(args.groups, piece.group, shard,
                                           args.shards.num_shards, args.rows);
    PieceProduct p = {};
    p.a = {args.dy_RO, args.dy_stride ? args.dy_stride : args.out_dim};
    p.a_cols = args.out_dim;
    p.b = {args.x_RI, args.x_stride ? args.x_stride : args.in_dim, args.x_row};
    p.row_begin = piece.row_begin;
    p.row_end = piece.row_end;
    p.depth_begin = range.begin;
    p.depth_end = range.end;
    p.depth_ahead = rows_of_group(args.groups, piece.group,
                                  args.shards.num_shards, args.rows)
                        .end;
    p.num_spans = 1;
    p.span[0] = {piece.col_begin, cols, to.data};
    p.c_stride = to.stride;
    p.resume = resume;
    p.rest = rest;
    p.carry = carry;
    PackedB packed;  // no other piece has the same
    multiply_piece<Form::kBackwardWeight>(p, scratch, &packed);
  }

  // Hands out the shard's gradient of the captured rows that lie in the piece.
  void capture(int64_t shard, const TileBlock& from) const {
    const int32_t* end = args.captured_row + args.num_captured;
    const int32_t* row = std::lower_bound(
        args.captured_row, end, static_cast<int32_t>(piece.row_begin));
    for (; row != end && *row < piece.row_end; ++row) {
      const int64_t place =
          shard * args.num_captured + (row - args.captured_row);
      copy_floats(from.data + (*row - piece.row_begin) * from.stride,
                  args.captured + place * args.in_dim + piece.col_begin, cols);
    }
  }

  void run() const {
    const int64_t num_shards = args.shards.num_shards;
    if (num_shards == 1 && !args.shards.add_to_left) {
      multiply_shard(0, args.shards.accumulate, dw, {}, dw);
      if (args.num_captured > 0) capture(0, dw);
      return;
    }
    int64_t height = 0;  // of the stack of partial sums
    for (int64_t shard = 0; shard < num_shards; ++shard) {
      // As many aligned blocks end here as there are carries in shard + 1.
      const int64_t carries = std::countr_one(static_cast<uint64_t>(shard));
      const bool last = shard + 1 == num_shards && !args.shards.add_to_left;
      const TileBlock sum = partial_sum(height);
      Carry carry = {};
      if (carries > 0) {
        carry = {carries, partial_sum(height - 1).data, cols, rows * cols};
      }
      height -= carries;
      const TileBlock to = last ? dw : partial_sum(height);
      if (args.num_captured > 0) {
        multiply_shard(shard, false, sum, {}, sum);
        capture(shard, sum);
        add_carry(sum, carry, rows, cols, to);
      } else {
        multiply_shard(shard, false, sum, carry, to);
      }
      ++height;
    }
    if (args.shards.add_to_left) {
      add_carry(partial_sum(0), {1, dw.data, dw.stride, 0}, rows, cols, dw);
    }
  }
};

static_assert(kPartialSumFloats + kPackedA + kPackedB + kEdgeTile <=
              kScratchBytes / int64_t{sizeof(float)});

void backward_weight(const Context& context, const LinearBackwardWeight& args,
                     const std::vector<Piece>& pieces) {
  const auto body = [&](int64_t index, int thread) {
    WeightPiece(args, pieces[static_cast<size_t>(index)],
                context.scratch[thread])
        .run();
  };
  context.pool.run(static_cast<int64_t>(pieces.size()), body);
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(backward_weight);

void linear_backward_weight(const Context& context,
                            const LinearBackwardWeight& args) {
  const int64_t num_shards = args.shards.num_shards;
  COLOSSUS_CHECK(std::has_single_bit(static_cast<uint64_t>(num_shards)),
                 "num_shards is {}", num_shards);
  COLOSSUS_CHECK(num_shards == 1 || !args.shards.accumulate,
                 "{} shards cannot accumulate", num_shards);
  COLOSSUS_CHECK(!args.shards.add_to_left || !args.shards.accumulate,
                 "a sum is either continued or added to");
  COLOSSUS_CHECK(args.num_captured == 0 || args.groups.num_groups == 1,
                 "{} groups, rows captured", args.groups.num_groups);
  // Every group's dw is written, be its rows none.
  std::vector<Extent> extents =
      extents_of_groups(args.groups, num_shards, args.rows, args.in_dim);
  for (Extent& extent : extents) {
    extent.depth = extent.row_end - extent.row_begin;
    extent.row_begin = 0;
    extent.row_end = args.out_dim;
  }
  const int64_t num_sums = std::bit_width(static_cast<uint64_t>(num_shards));
  const int64_t max_rows = std::min(
      kMaxWeightPieceRows, kPartialSumFloats / (num_sums * kMaxPieceCols));
  const std::vector<Piece> pieces =
      cut_into_pieces(extents, args.in_dim, max_rows, kMaxPieceCols,
                      context.pool.num_threads());
  HWY_DYNAMIC_DISPATCH(backward_weight)(context, args, pieces);
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
