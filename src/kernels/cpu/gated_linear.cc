// GeGLU: the products around the gate, and the gate while a piece's products
// are in cache.
//
//   forward   h = gelu(gate) * up
//   backward  d_gate = dh * up * gelu'(gate),  d_up = dh * gelu(gate), h again
#include <vector>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/linear_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gated_linear.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/linear_block-inl.h"
#include "kernels/cpu/linear_few_rows-inl.h"
#include "kernels/cpu/math-inl.h"
#include "kernels/cpu/vec16-inl.h"

#ifndef COLOSSUS_KERNELS_CPU_GATED_LINEAR_LIMITS_
#define COLOSSUS_KERNELS_CPU_GATED_LINEAR_LIMITS_
namespace colossus::kernels::cpu {
// A piece's gate and up lie side by side in the packed block and in L2.
inline constexpr int64_t kMaxGatedRows = 252;
inline constexpr int64_t kMaxGatedCols = kMaxPieceCols / 2;
}  // namespace colossus::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE void gate_row(const float* gate, const float* up, int64_t count,
                         float* h) {
  int64_t f = 0;
  for (; f + kVec <= count; f += kVec) {
    store16(mul(gelu16(load16(gate + f)), load16(up + f)), h + f);
  }
  if (const int64_t n = count - f; n > 0) {
    store_n(mul(gelu16(load_n(gate + f, n)), load_n(up + f, n)), h + f, n);
  }
}

void gated_forward_piece(const GatedLinearForward& args, const Piece& piece,
                         const Scratch& scratch, PackedB* packed) {
  const int64_t ffn = args.ffn_dim, cols = piece.col_end - piece.col_begin;
  const bool keep = args.gate_up_R2F != nullptr;
  float* gate =
      keep ? args.gate_up_R2F + piece.row_begin * 2 * ffn + piece.col_begin
           : scratch.rest;
  float* up = gate + (keep ? ffn : cols);
  PieceProduct p = {};
  p.a = {args.x_RI, args.in_dim, args.x_row};
  p.a_cols = args.in_dim;
  p.b = {args.w_2FI + piece.group * args.groups.weight_stride, args.in_dim};
  p.row_begin = piece.row_begin;
  p.row_end = piece.row_end;
  p.depth_end = p.depth_ahead = args.in_dim;
  p.num_spans = 2;
  p.span[0] = {piece.col_begin, cols, gate};
  p.span[1] = {ffn + piece.col_begin, cols, up};
  p.c_stride = 2 * (keep ? ffn : cols);
  forward_piece(p, scratch, packed);
  for (int64_t row = piece.row_begin; row < piece.row_end; ++row) {
    gate_row(gate, up, cols, args.h_RF + row * ffn + piece.col_begin);
    gate += p.c_stride;
    up += p.c_stride;
  }
}

struct GateGradient {
  V16 d_gate, d_up, h;
};
HWY_INLINE GateGradient gate_gradient(const V16& dh, const V16& gate,
                                      const V16& up) {
  V16 slope;
  const V16 gelu = gelu_and_grad16(gate, &slope);
  return {mul(mul(dh, up), slope), mul(dh, gelu), mul(gelu, up)};
}

// `h` holds dh, and takes h in its place.
HWY_INLINE void gate_gradient_row(const float* gate, const float* up,
                                  int64_t count, float* d_gate, float* d_up,
                                  float* h) {
  int64_t f = 0;
  for (; f + kVec <= count; f += kVec) {
    const GateGradient g =
        gate_gradient(load16(h + f), load16(gate + f), load16(up + f));
    store16(g.d_gate, d_gate + f);
    store16(g.d_up, d_up + f);
    store16(g.h, h + f);
  }
  if (const int64_t n = count - f; n > 0) {
    const GateGradient g =
        gate_gradient(load_n(h + f, n), load_n(gate + f, n), load_n(up + f, n));
    store_n(g.d_gate, d_gate + f, n);
    store_n(g.d_up, d_up + f, n);
    store_n(g.h, h + f, n);
  }
}

void gated_backward_piece(const GatedLinearBackwardInput& args,
                          const Piece& piece, const Scratch& scratch,
                          PackedB* packed) {
  const int64_t ffn = args.ffn_dim, cols = piece.col_end - piece.col_begin;
  float* h = args.h_RF + piece.row_begin * ffn + piece.col_begin;
  PieceProduct p = {};
  p.a = {args.dy_RO, args.out_dim};
  p.a_cols = args.out_dim;
  p.b = {args.w_OF + piece.group * args.groups.weight_stride, ffn};
  p.row_begin = piece.row_begin;
  p.row_end = piece.row_end;
  p.depth_end = p.depth_ahead = args.out_dim;
  p.num_spans = 1;
  p.span[0] = {piece.col_begin, cols, h};
  p.c_stride = ffn;
  multiply_piece<Form::kBackwardInput>(p, scratch, packed);
  for (int64_t row = piece.row_begin; row < piece.row_end; ++row) {
    const int64_t at = row * 2 * ffn + piece.col_begin;
    const float* gate = args.gate_up_R2F + at;
    float* d_gate = args.d_gate_up_R2F + at;
    gate_gradient_row(gate, gate + ffn, cols, d_gate, d_gate + ffn, h);
    h += ffn;
  }
}

void gated_forward(const Context& context, const GatedLinearForward& args,
                   const std::vector<Piece>& pieces) {
  run_pieces(context, pieces,
             [&](const Piece& piece, const Scratch& scratch, PackedB* packed) {
               gated_forward_piece(args, piece, scratch, packed);
             });
}

void gated_backward(const Context& context,
                    const GatedLinearBackwardInput& args,
                    const std::vector<Piece>& pieces) {
  run_pieces(context, pieces,
             [&](const Piece& piece, const Scratch& scratch, PackedB* packed) {
               gated_backward_piece(args, piece, scratch, packed);
             });
}

// The forward pass may keep both products of a piece in scratch.
static_assert(kMaxGatedRows * 2 * kMaxGatedCols + kPackedA + kPackedB +
                  kEdgeTile <=
              kScratchBytes / int64_t{sizeof(float)});

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(gated_forward);
HWY_EXPORT(gated_backward);

void gated_linear_forward(const Context& context,
                          const GatedLinearForward& args) {
  const std::vector<Piece> pieces = cut_into_pieces(
      extents_of_groups(args.groups, args.num_shards, args.rows,
                        2 * args.in_dim),
      args.ffn_dim, kMaxGatedRows, kMaxGatedCols, context.pool.num_threads());
  HWY_DYNAMIC_DISPATCH(gated_forward)(context, args, pieces);
}

void gated_linear_backward_input(const Context& context,
                                 const GatedLinearBackwardInput& args) {
  const std::vector<Piece> pieces = cut_into_pieces(
      extents_of_groups(args.groups, args.num_shards, args.rows, args.out_dim),
      args.ffn_dim, kMaxGatedRows, kMaxPieceCols, context.pool.num_threads());
  HWY_DYNAMIC_DISPATCH(gated_backward)(context, args, pieces);
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
