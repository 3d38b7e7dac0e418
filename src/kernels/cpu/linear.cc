// The forward product and the gradient of its input.
#include "kernels/cpu/linear.h"

#include <vector>

#include "kernels/cpu/linear_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/linear_block-inl.h"
#include "kernels/cpu/linear_few_rows-inl.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// Both forms differ in the operands alone: c = a b, or a b^T.
template <Form kForm>
void multiply_pieces(const Context& context, const std::vector<Piece>& pieces,
                     const Matrix& a, int64_t a_cols, const Matrix& b,
                     int64_t group_stride, float* c, int64_t c_stride,
                     int64_t depth) {
  const auto body = [&](const Piece& piece, const Scratch& scratch,
                        PackedB* packed) {
    PieceProduct p = {};
    p.a = a;
    p.a_cols = a_cols;
    p.b = b;
    p.b.data += piece.group * group_stride;
    p.row_begin = piece.row_begin;
    p.row_end = piece.row_end;
    p.depth_end = p.depth_ahead = depth;
    p.num_spans = 1;
    p.span[0] = {piece.col_begin, piece.col_end - piece.col_begin,
                 c + piece.row_begin * c_stride + piece.col_begin};
    p.c_stride = c_stride;
    if constexpr (kForm == Form::kForward) {
      forward_piece(p, scratch, packed);
    } else {
      multiply_piece<kForm>(p, scratch, packed);
    }
  };
  run_pieces(context, pieces, body);
}

void forward(const Context& context, const LinearForward& args,
             const std::vector<Piece>& pieces) {
  const Matrix x = {args.x_RI, args.x_stride ? args.x_stride : args.in_dim,
                    args.x_row};
  multiply_pieces<Form::kForward>(
      context, pieces, x, args.in_dim, {args.w_OI, args.in_dim},
      args.groups.weight_stride, args.y_RO,
      args.y_stride ? args.y_stride : args.out_dim, args.in_dim);
}

void backward_input(const Context& context, const LinearBackwardInput& args,
                    const std::vector<Piece>& pieces) {
  const Matrix dy = {args.dy_RO,
                     args.dy_stride ? args.dy_stride : args.out_dim};
  multiply_pieces<Form::kBackwardInput>(
      context, pieces, dy, args.out_dim, {args.w_OI, args.in_dim},
      args.groups.weight_stride, args.dx_RI,
      args.dx_stride ? args.dx_stride : args.in_dim, args.out_dim);
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(forward);
HWY_EXPORT(backward_input);

void linear_forward(const Context& context, const LinearForward& args) {
  const std::vector<Piece> pieces = cut_into_pieces(
      extents_of_groups(args.groups, args.num_shards, args.rows, args.in_dim),
      args.out_dim, kMaxPieceRows, kMaxPieceCols, context.pool.num_threads());
  HWY_DYNAMIC_DISPATCH(forward)(context, args, pieces);
}

void linear_backward_input(const Context& context,
                           const LinearBackwardInput& args) {
  const std::vector<Piece> pieces = cut_into_pieces(
      extents_of_groups(args.groups, args.num_shards, args.rows, args.out_dim),
      args.in_dim, kMaxPieceRows, kMaxPieceCols, context.pool.num_threads());
  HWY_DYNAMIC_DISPATCH(backward_input)(context, args, pieces);
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
