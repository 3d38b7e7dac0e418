#include "kernels/cpu/linear.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gated_tmp.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/math-inl.h"
HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {
void gate_fwd(int64_t F, const float* gu, float* h) {
  for (int64_t f = 0; f < F; f += 16) {
    const int64_t n = F - f < 16 ? F - f : 16;
    store_n(mul(gelu16(load_n(gu + f, n)), load_n(gu + F + f, n)), h + f, n);
  }
}
void gate_bwd(int64_t F, const float* dh, const float* gu, float* dgu, float* h) {
  for (int64_t f = 0; f < F; f += 16) {
    const int64_t n = F - f < 16 ? F - f : 16;
    const V16 g = load_n(gu + f, n), u = load_n(gu + F + f, n), d = load_n(dh + f, n);
    const V16 a = gelu16(g), da = gelu_grad16(g);
    store_n(mul(a, u), h + f, n);
    store_n(mul(mul(d, u), da), dgu + f, n);
    store_n(mul(d, a), dgu + F + f, n);
  }
}
}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();
#if HWY_ONCE
#include <vector>
namespace colossus::kernels::cpu {
HWY_EXPORT(gate_fwd);
HWY_EXPORT(gate_bwd);
void gated_linear_forward(const Context& c, const GatedLinearForward& a) {
  std::vector<float> own(a.gate_up_R2F ? 0 : a.rows * 2 * a.ffn_dim);
  float* gu = a.gate_up_R2F ? a.gate_up_R2F : own.data();
  linear_forward(c, {.rows = a.rows, .in_dim = a.in_dim, .out_dim = 2 * a.ffn_dim, .x_RI = a.x_RI, .x_row = a.x_row, .w_OI = a.w_2FI, .y_RO = gu, .groups = a.groups, .num_shards = a.num_shards});
  auto f = HWY_DYNAMIC_DISPATCH(gate_fwd);
  c.pool.run(a.rows, [&](int64_t r, int) { f(a.ffn_dim, gu + r * 2 * a.ffn_dim, a.h_RF + r * a.ffn_dim); });
}
void gated_linear_backward_input(const Context& c, const GatedLinearBackwardInput& a) {
  std::vector<float> dh(a.rows * a.ffn_dim);
  linear_backward_input(c, {.rows = a.rows, .in_dim = a.ffn_dim, .out_dim = a.out_dim, .dy_RO = a.dy_RO, .w_OI = a.w_OF, .dx_RI = dh.data(), .groups = a.groups, .num_shards = a.num_shards});
  auto f = HWY_DYNAMIC_DISPATCH(gate_bwd);
  c.pool.run(a.rows, [&](int64_t r, int) { f(a.ffn_dim, dh.data() + r * a.ffn_dim, a.gate_up_R2F + r * 2 * a.ffn_dim, a.d_gate_up_R2F + r * 2 * a.ffn_dim, a.h_RF + r * a.ffn_dim); });
}
}  // namespace colossus::kernels::cpu
#endif
