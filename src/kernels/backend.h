// The operations of a training step, as one interface: the model calls nothing
// else. The CPU's backend is cpu/cpu_backend.h; reference/ has a slow one that
// sums in double, which the tests hold the fast ones against. A GPU's would
// implement this class over its own memory.
//
// Shapes, formulas and the order of every sum stand in the header of each
// operation. Calls are in order and complete when they return; one caller at a
// time. Pointers are the caller's and must not overlap unless a header says so.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/attention.h"
#include "kernels/embedding.h"
#include "kernels/head.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "kernels/router.h"
#include "kernels/update.h"

namespace colossus {
class Pulse;
}

namespace colossus::kernels {

class Backend {
 public:
  virtual ~Backend() = default;

  // Runs that share it compute the same bits: "fma-1" for every processor with
  // fused multiply-add, "nofma-1" for those without.
  virtual std::string numerics_version() const = 0;
  // For people: "avx2, 2 threads".
  virtual std::string description() const = 0;
  // Memory that the backend itself holds (packing buffers), in bytes.
  virtual uint64_t workspace_bytes() const = 0;

  // From now on operations beat between their tiles, and throw Interrupted once
  // the pulse is; null: neither. A backend without it is never interrupted.
  virtual void set_pulse(Pulse* /*pulse*/) {}
  // From now on, between two operations; at most as many as it was made with.
  // No result depends on it.
  virtual void set_num_threads(int /*num_threads*/) {}

  virtual void embedding_forward(const EmbeddingForward& args) = 0;
  virtual void embedding_backward(const EmbeddingBackward& args) = 0;

  virtual void rms_norm_forward(const RmsNormForward& args) = 0;
  virtual void rms_norm_backward(const RmsNormBackward& args) = 0;
  virtual void residual_norm_forward(const ResidualNormForward& args) = 0;
  virtual void residual_norm_backward(const ResidualNormBackward& args) = 0;

  virtual void linear_forward(const LinearForward& args) = 0;
  virtual void linear_backward_input(const LinearBackwardInput& args) = 0;
  virtual void linear_backward_weight(const LinearBackwardWeight& args) = 0;
  virtual void gated_linear_forward(const GatedLinearForward& args) = 0;
  virtual void gated_linear_backward_input(
      const GatedLinearBackwardInput& args) = 0;

  virtual void attention_forward(const AttentionForward& args) = 0;
  virtual void attention_backward(const AttentionBackward& args) = 0;
  virtual void attention_decode(const AttentionDecode& args) = 0;

  virtual void router_forward(const RouterForward& args) = 0;
  virtual void router_dispatch(const RouterDispatch& args) = 0;
  virtual void router_backward(const RouterBackward& args) = 0;
  virtual void expert_combine_forward(const ExpertCombineForward& args) = 0;
  virtual void expert_combine_backward(const ExpertCombineBackward& args) = 0;
  virtual void expert_input_backward(const ExpertInputBackward& args) = 0;

  // Floats of HeadLoss::workspace; never more than half of the full logits
  // (one token's at least).
  virtual int64_t head_workspace_floats(int64_t num_tokens, int64_t dim,
                                        int64_t vocab_size, int64_t num_shards,
                                        bool backward) const = 0;
  virtual void head_loss(const HeadLoss& args) = 0;
  virtual void head_logits(const HeadLogits& args) = 0;

  virtual void add_into(const AddInto& args) = 0;
  virtual double sum_of_squares(const SumOfSquares& args) = 0;
  virtual void adamw_update(const AdamWUpdate& args) = 0;
};

}  // namespace colossus::kernels
