// What happens to flat vectors after the backward pass: sums over shards, the
// norm, AdamW.
#pragma once

#include <cstdint>

namespace colossus {
struct StateHash;
}

namespace colossus::kernels {

// left += right, element by element.
struct AddInto {
  int64_t count;
  float* left;
  const float* right;
};

// Sum of squares. Blocks of kNormBlock elements: 16 lanes in float, their tree,
// then the blocks in order in double.
inline constexpr int64_t kNormBlock = 4096;
struct SumOfSquares {
  int64_t count;
  const float* x;
};

// AdamW with decoupled decay (Loshchilov & Hutter 2019), g already summed:
//   g' = g * grad_scale
//   m  = m + (1 - beta1) (g' - m)
//   v  = v + (1 - beta2) (g'^2 - v)
//   w  = w - lr * decay * w - lr * (m * bias1) / (sqrt(v * bias2) + eps)
// bias1 = 1 / (1 - beta1^t), bias2 likewise. Where a product is added to m, v
// or w, or taken from w, the two are fused; root and division are exact.
// The outputs may be their inputs.
//
// With `hash`, what is written is added to it, as elements [first, first +
// count) of a slice (base/state_hash.h); both are multiples of 16 then.
struct AdamWUpdate {
  int64_t count;
  const float* g;
  const float *w, *m, *v;
  float *w_out, *m_out, *v_out;
  float grad_scale;
  float learning_rate, beta1, beta2, eps, weight_decay;
  float bias1, bias2;
  int64_t first = 0;
  StateHash* hash = nullptr;
};

}  // namespace colossus::kernels
