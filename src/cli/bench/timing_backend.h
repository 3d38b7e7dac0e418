// Any backend, timed: every call goes on to it, and its seconds are booked
// under the operation and the shape of the call, with what the call computes
// and moves. The results are the wrapped backend's own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "kernels/backend.h"

namespace colossus::cli {

struct KernelTime {
  int64_t calls = 0;
  double seconds = 0;
  // Of the calls together. Products and attention count their
  // multiply-adds (twice); of what streams its operands, `bytes` counts each
  // once a read and once a write. One of the two is 0.
  double flops = 0, bytes = 0;
};

struct KernelName {
  std::string operation;  // "linear_forward"
  std::string shape;      // "1024 x 768 -> 2304"
  auto operator<=>(const KernelName&) const = default;
};

class TimingBackend : public kernels::Backend {
 public:
  // `inner` must outlive it.
  explicit TimingBackend(kernels::Backend& inner) : inner_(inner) {}

  const std::map<KernelName, KernelTime>& times() const { return times_; }
  void reset() { times_.clear(); }

  std::string numerics_version() const override;
  std::string description() const override;
  uint64_t workspace_bytes() const override;
  int64_t head_workspace_floats(int64_t num_tokens, int64_t dim,
                                int64_t vocab_size, int64_t num_shards,
                                bool backward) const override;

  void embedding_forward(const kernels::EmbeddingForward& args) override;
  void embedding_backward(const kernels::EmbeddingBackward& args) override;

  void rms_norm_forward(const kernels::RmsNormForward& args) override;
  void rms_norm_backward(const kernels::RmsNormBackward& args) override;
  void residual_norm_forward(const kernels::ResidualNormForward& args) override;
  void residual_norm_backward(
      const kernels::ResidualNormBackward& args) override;

  void linear_forward(const kernels::LinearForward& args) override;
  void linear_backward_input(const kernels::LinearBackwardInput& args) override;
  void linear_backward_weight(
      const kernels::LinearBackwardWeight& args) override;
  void gated_linear_forward(const kernels::GatedLinearForward& args) override;
  void gated_linear_backward_input(
      const kernels::GatedLinearBackwardInput& args) override;

  void attention_forward(const kernels::AttentionForward& args) override;
  void attention_backward(const kernels::AttentionBackward& args) override;
  void attention_decode(const kernels::AttentionDecode& args) override;

  void router_forward(const kernels::RouterForward& args) override;
  void router_dispatch(const kernels::RouterDispatch& args) override;
  void router_backward(const kernels::RouterBackward& args) override;
  void expert_combine_forward(
      const kernels::ExpertCombineForward& args) override;
  void expert_combine_backward(
      const kernels::ExpertCombineBackward& args) override;
  void expert_input_backward(const kernels::ExpertInputBackward& args) override;

  void head_loss(const kernels::HeadLoss& args) override;
  void head_logits(const kernels::HeadLogits& args) override;

  void add_into(const kernels::AddInto& args) override;
  double sum_of_squares(const kernels::SumOfSquares& args) override;
  void adamw_update(const kernels::AdamWUpdate& args) override;

 private:
  // Runs `call` and books it.
  template <typename Call>
  auto timed(KernelName name, double flops, double floats, const Call& call);

  kernels::Backend& inner_;
  std::map<KernelName, KernelTime> times_;
};

}  // namespace colossus::cli
