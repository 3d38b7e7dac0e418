// Products of activations and weights; weights are [out, in] (O, I), row-major.
//
//   forward          y_RO  = x_RI w_OI^T
//   backward input   dx_RI = dy_RO w_OI
//   backward weight  dw_OI = dy_RO^T x_RI      (shards: see shards.h)
//
// An element is one chain of fused multiply-adds in the order of the summed
// index, from 0 (dw: as shards.h says). For grouped products (experts) row i of
// the product belongs to the group whose segments hold i.
//
// Row strides are in floats; 0 means dense (the row's length).
#pragma once

#include <cstdint>

#include "kernels/shards.h"

namespace colossus::kernels {

struct LinearForward {
  int64_t rows, in_dim, out_dim;
  const float* x_RI;
  int64_t x_stride = 0;
  // Row i of the product reads x row x_row[i]; null = i. (Experts read their
  // tokens in place.)
  const int32_t* x_row = nullptr;
  const float* w_OI;
  float* y_RO;
  int64_t y_stride = 0;
  RowGroups groups = {};
  int64_t num_shards = 1;  // only to read groups.segment_begin
};

struct LinearBackwardInput {
  int64_t rows, in_dim, out_dim;
  const float* dy_RO;
  int64_t dy_stride = 0;
  const float* w_OI;
  float* dx_RI;
  int64_t dx_stride = 0;
  RowGroups groups = {};
  int64_t num_shards = 1;
};

struct LinearBackwardWeight {
  int64_t rows, in_dim, out_dim;
  const float* dy_RO;
  int64_t dy_stride = 0;
  const float* x_RI;
  int64_t x_stride = 0;
  const int32_t* x_row = nullptr;
  float* dw_OI;
  RowGroups groups = {};
  Shards shards = {};
  // Each shard's own gradient of some rows of dw (ascending), before the tree
  // over shards: [num_shards, num_captured, in_dim]. For tied embeddings; one
  // group only.
  int64_t num_captured = 0;
  const int32_t* captured_row = nullptr;
  float* captured = nullptr;
};

// GeGLU's first half, both products and the gate in one:
//
//   [gate | up]_R,2F = x_RI [w_gate; w_up]_2F,I^T
//   h_RF             = gelu(gate) * up,     gelu in its tanh form
//
// w_2FI holds the F rows of the gate, then the F rows of up.
struct GatedLinearForward {
  int64_t rows, in_dim, ffn_dim;
  const float* x_RI;
  const int32_t* x_row = nullptr;
  const float* w_2FI;
  float* gate_up_R2F;  // kept for the backward pass; null: not wanted
  float* h_RF;
  RowGroups groups = {};
  int64_t num_shards = 1;
};

// The backward pass of y_RO = h_RF w_OF^T and of the gate before it:
//
//   dh      = dy_RO w_OF
//   d_gate  = dh * up * gelu'(gate),   d_up = dh * gelu(gate)
//   h       = gelu(gate) * up          computed again: it is not kept
//
// d_gate_up may be gate_up itself.
struct GatedLinearBackwardInput {
  int64_t rows, ffn_dim, out_dim;
  const float* dy_RO;
  const float* w_OF;
  const float* gate_up_R2F;
  float* d_gate_up_R2F;
  float* h_RF;
  RowGroups groups = {};
  int64_t num_shards = 1;
};

}  // namespace colossus::kernels
