#include "cli/bench/timing_backend.h"

#include <fmt/format.h>

#include <utility>

#include "base/clock.h"

namespace colossus::cli {
namespace {

// Books the time until it goes out of scope.
class Stopwatch {
 public:
  explicit Stopwatch(KernelTime& time)
      : time_(time), begin_(real_clock().steady_seconds()) {}
  ~Stopwatch() { time_.seconds += real_clock().steady_seconds() - begin_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  KernelTime& time_;
  double begin_;
};

double product(int64_t a, int64_t b, int64_t c = 1) {
  return static_cast<double>(a) * static_cast<double>(b) *
         static_cast<double>(c);
}

std::string matrix(int64_t rows, int64_t in_dim, int64_t out_dim,
                   int64_t num_groups) {
  return fmt::format(
      "{} x {} -> {}{}", rows, in_dim, out_dim,
      num_groups > 1 ? fmt::format(", {} groups", num_groups) : "");
}

std::string table(int64_t rows, int64_t dim) {
  return fmt::format("{} x {}", rows, dim);
}

std::string attention(const kernels::AttentionShape& s) {
  return fmt::format("{} x {}, {}/{} heads of {}", s.num_sequences, s.seq_len,
                     s.num_q_heads, s.num_kv_heads, s.head_dim);
}

// Multiply-adds of q.k over the pairs of query and key of the causal half.
double causal_pairs(const kernels::AttentionShape& s) {
  return product(s.num_sequences, s.q_dim()) *
         product(s.seq_len, s.seq_len + 1) / 2;
}

}  // namespace

template <typename Call>
auto TimingBackend::timed(KernelName name, double flops, double floats,
                          const Call& call) {
  KernelTime& time = times_[std::move(name)];
  ++time.calls;
  time.flops += flops;
  time.bytes += floats * sizeof(float);
  const Stopwatch stopwatch(time);
  return call();
}

std::string TimingBackend::numerics_version() const {
  return inner_.numerics_version();
}
std::string TimingBackend::description() const { return inner_.description(); }
uint64_t TimingBackend::workspace_bytes() const {
  return inner_.workspace_bytes();
}
int64_t TimingBackend::head_workspace_floats(int64_t num_tokens, int64_t dim,
                                             int64_t vocab_size,
                                             int64_t num_shards,
                                             bool backward) const {
  return inner_.head_workspace_floats(num_tokens, dim, vocab_size, num_shards,
                                      backward);
}

void TimingBackend::embedding_forward(const kernels::EmbeddingForward& args) {
  timed({"embedding_forward", table(args.num_tokens, args.dim)}, 0,
        2 * product(args.num_tokens, args.dim),
        [&] { inner_.embedding_forward(args); });
}
void TimingBackend::embedding_backward(const kernels::EmbeddingBackward& args) {
  timed({"embedding_backward", table(args.num_tokens, args.dim)}, 0,
        3 * product(args.num_tokens, args.dim),
        [&] { inner_.embedding_backward(args); });
}

void TimingBackend::rms_norm_forward(const kernels::RmsNormForward& args) {
  timed({"rms_norm_forward", table(args.rows, args.dim)}, 0,
        2 * product(args.rows, args.dim),
        [&] { inner_.rms_norm_forward(args); });
}
void TimingBackend::rms_norm_backward(const kernels::RmsNormBackward& args) {
  timed({"rms_norm_backward", table(args.rows, args.dim)}, 0,
        3 * product(args.rows, args.dim),
        [&] { inner_.rms_norm_backward(args); });
}
void TimingBackend::residual_norm_forward(
    const kernels::ResidualNormForward& args) {
  timed({"residual_norm_forward", table(args.rows, args.dim)}, 0,
        4 * product(args.rows, args.dim),
        [&] { inner_.residual_norm_forward(args); });
}
void TimingBackend::residual_norm_backward(
    const kernels::ResidualNormBackward& args) {
  const int tables = args.dx_out_RD == nullptr ? 5 : 6;
  timed({"residual_norm_backward", table(args.rows, args.dim)}, 0,
        tables * product(args.rows, args.dim),
        [&] { inner_.residual_norm_backward(args); });
}

void TimingBackend::linear_forward(const kernels::LinearForward& args) {
  timed({"linear_forward",
         matrix(args.rows, args.in_dim, args.out_dim, args.groups.num_groups)},
        2 * product(args.rows, args.in_dim, args.out_dim), 0,
        [&] { inner_.linear_forward(args); });
}
void TimingBackend::linear_backward_input(
    const kernels::LinearBackwardInput& args) {
  timed({"linear_backward_input",
         matrix(args.rows, args.in_dim, args.out_dim, args.groups.num_groups)},
        2 * product(args.rows, args.in_dim, args.out_dim), 0,
        [&] { inner_.linear_backward_input(args); });
}
void TimingBackend::linear_backward_weight(
    const kernels::LinearBackwardWeight& args) {
  timed({"linear_backward_weight",
         matrix(args.rows, args.in_dim, args.out_dim, args.groups.num_groups)},
        2 * product(args.rows, args.in_dim, args.out_dim), 0,
        [&] { inner_.linear_backward_weight(args); });
}
void TimingBackend::gated_linear_forward(
    const kernels::GatedLinearForward& args) {
  timed(
      {"gated_linear_forward", matrix(args.rows, args.in_dim, 2 * args.ffn_dim,
                                      args.groups.num_groups)},
      2 * product(args.rows, args.in_dim, 2 * args.ffn_dim), 0,
      [&] { inner_.gated_linear_forward(args); });
}
void TimingBackend::gated_linear_backward_input(
    const kernels::GatedLinearBackwardInput& args) {
  timed({"gated_linear_backward_input",
         matrix(args.rows, args.ffn_dim, args.out_dim, args.groups.num_groups)},
        2 * product(args.rows, args.ffn_dim, args.out_dim), 0,
        [&] { inner_.gated_linear_backward_input(args); });
}

// Two products forward; backward five, the scores being computed again.
void TimingBackend::attention_forward(const kernels::AttentionForward& args) {
  timed({"attention_forward", attention(args.shape)},
        4 * causal_pairs(args.shape), 0,
        [&] { inner_.attention_forward(args); });
}
void TimingBackend::attention_backward(const kernels::AttentionBackward& args) {
  timed({"attention_backward", attention(args.shape)},
        10 * causal_pairs(args.shape), 0,
        [&] { inner_.attention_backward(args); });
}
void TimingBackend::attention_decode(const kernels::AttentionDecode& args) {
  timed({"attention_decode", attention(args.shape)}, 0,
        2 * product(args.shape.kv_dim(), args.position + 1),
        [&] { inner_.attention_decode(args); });
}

void TimingBackend::router_forward(const kernels::RouterForward& args) {
  timed({"router_forward", matrix(args.rows, args.dim, args.num_experts, 1)}, 0,
        product(args.rows, args.dim + 2 * args.num_experts),
        [&] { inner_.router_forward(args); });
}
void TimingBackend::router_dispatch(const kernels::RouterDispatch& args) {
  timed({"router_dispatch", table(args.rows, args.num_selected)}, 0,
        3 * product(args.rows, args.num_selected),
        [&] { inner_.router_dispatch(args); });
}
void TimingBackend::router_backward(const kernels::RouterBackward& args) {
  timed({"router_backward", table(args.rows, args.num_experts)}, 0,
        3 * product(args.rows, args.num_experts),
        [&] { inner_.router_backward(args); });
}
void TimingBackend::expert_combine_forward(
    const kernels::ExpertCombineForward& args) {
  const int64_t tables = args.num_selected + (args.dense_RD ? 2 : 1);
  timed({"expert_combine_forward", table(args.rows, args.dim)}, 0,
        product(args.rows, args.dim, tables),
        [&] { inner_.expert_combine_forward(args); });
}
void TimingBackend::expert_combine_backward(
    const kernels::ExpertCombineBackward& args) {
  const int64_t tables = 2 * args.num_selected + (args.ddense_RD ? 2 : 1);
  timed({"expert_combine_backward", table(args.rows, args.dim)}, 0,
        product(args.rows, args.dim, tables),
        [&] { inner_.expert_combine_backward(args); });
}
void TimingBackend::expert_input_backward(
    const kernels::ExpertInputBackward& args) {
  const int64_t tables = args.num_selected + (args.ddense_m_RD ? 2 : 1);
  timed({"expert_input_backward", table(args.rows, args.dim)}, 0,
        product(args.rows, args.dim, tables),
        [&] { inner_.expert_input_backward(args); });
}

void TimingBackend::head_loss(const kernels::HeadLoss& args) {
  const int products = args.dh_ND == nullptr ? 1 : 3;
  timed({"head_loss", matrix(args.num_tokens, args.dim, args.vocab_size, 1)},
        2 * products * product(args.num_tokens, args.dim, args.vocab_size), 0,
        [&] { inner_.head_loss(args); });
}
void TimingBackend::head_logits(const kernels::HeadLogits& args) {
  timed({"head_logits", matrix(args.num_tokens, args.dim, args.vocab_size, 1)},
        2 * product(args.num_tokens, args.dim, args.vocab_size), 0,
        [&] { inner_.head_logits(args); });
}

void TimingBackend::add_into(const kernels::AddInto& args) {
  timed({"add_into", fmt::format("{}", args.count)}, 0,
        3 * product(args.count, 1), [&] { inner_.add_into(args); });
}
double TimingBackend::sum_of_squares(const kernels::SumOfSquares& args) {
  return timed({"sum_of_squares", fmt::format("{}", args.count)}, 0,
               product(args.count, 1),
               [&] { return inner_.sum_of_squares(args); });
}
void TimingBackend::adamw_update(const kernels::AdamWUpdate& args) {
  timed({"adamw_update", "all calls"}, 0, 7 * product(args.count, 1),
        [&] { inner_.adamw_update(args); });
}

}  // namespace colossus::cli
