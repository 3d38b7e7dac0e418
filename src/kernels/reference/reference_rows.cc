#include "kernels/reference/reference_rows.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/state_hash.h"
#include "kernels/reference/reference_products.h"

namespace colossus::kernels::reference {

void embedding_forward(const EmbeddingForward& a) {
  for (int64_t n = 0; n < a.num_tokens; ++n) {
    for (int64_t d = 0; d < a.dim; ++d) {
      a.x_ND[n * a.dim + d] = a.w_VD[a.tokens_N[n] * a.dim + d] * a.multiplier;
    }
  }
}

void embedding_backward(const EmbeddingBackward& a) {
  const int64_t tokens_per_shard = a.num_tokens / a.num_shards;
  const int64_t U = a.touched.num_rows;
  for (int64_t n = 0; n < a.num_tokens; ++n) {
    float* row = a.dw_VD + a.tokens_N[n] * a.dim;
    if (a.num_shards > 1) {
      const int64_t shard = n / tokens_per_shard;
      row =
          a.touched.shard_rows_PUD + (shard * U + a.touched.index_N[n]) * a.dim;
    }
    for (int64_t d = 0; d < a.dim; ++d) {
      row[d] += a.dx_ND[n * a.dim + d] * a.multiplier;
    }
  }
  if (a.num_shards == 1) return;
  for (int64_t u = 0; u < U; ++u) {
    for (int64_t d = 0; d < a.dim; ++d) {
      a.dw_VD[a.touched.row_U[u] * a.dim + d] =
          static_cast<float>(tree_sum(0, a.num_shards, [&](int64_t shard) {
            return a.touched.shard_rows_PUD[(shard * U + u) * a.dim + d];
          }));
    }
  }
}

void rms_norm_forward(const RmsNormForward& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x_RD + r * a.dim;
    double squares = 0;
    for (int64_t d = 0; d < a.dim; ++d) squares += double{x[d]} * x[d];
    const double inv =
        1 / std::sqrt(squares / static_cast<double>(a.dim) + double{a.eps});
    a.inv_rms_R[r] = static_cast<float>(inv);
    for (int64_t d = 0; d < a.dim; ++d) {
      a.y_RD[r * a.dim + d] = static_cast<float>(x[d] * inv * a.scale_D[d]);
    }
  }
}

void rms_norm_backward(const RmsNormBackward& a) {
  std::vector<double> dscale(static_cast<size_t>(a.dim), 0.0);
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x_RD + r * a.dim;
    const float* dy = a.dy_RD + r * a.dim;
    const double inv = a.inv_rms_R[r];
    double inner = 0;
    for (int64_t d = 0; d < a.dim; ++d) {
      inner += double{dy[d]} * a.scale_D[d] * x[d];
      dscale[static_cast<size_t>(d)] += double{dy[d]} * x[d] * inv;
    }
    const double pull = inner * inv * inv / static_cast<double>(a.dim);
    for (int64_t d = 0; d < a.dim; ++d) {
      a.dx_RD[r * a.dim + d] = static_cast<float>(
          inv * (double{dy[d]} * a.scale_D[d] - x[d] * pull));
    }
  }
  for (int64_t d = 0; d < a.dim; ++d) {
    const double before = a.shards.accumulate ? double{a.dscale_D[d]} : 0.0;
    a.dscale_D[d] = static_cast<float>(before + dscale[static_cast<size_t>(d)]);
  }
}

void residual_norm_forward(const ResidualNormForward& a) {
  std::vector<float> normed(static_cast<size_t>(a.rows * a.dim));
  rms_norm_forward({.rows = a.rows,
                    .dim = a.dim,
                    .eps = a.eps,
                    .x_RD = a.branch_RD,
                    .scale_D = a.post_scale_D,
                    .y_RD = normed.data(),
                    .inv_rms_R = a.post_inv_rms_R});
  for (int64_t i = 0; i < a.rows * a.dim; ++i) {
    a.x_out_RD[i] = a.x_RD[i] + normed[static_cast<size_t>(i)];
  }
  rms_norm_forward({.rows = a.rows,
                    .dim = a.dim,
                    .eps = a.eps,
                    .x_RD = a.x_out_RD,
                    .scale_D = a.next_scale_D,
                    .y_RD = a.y_RD,
                    .inv_rms_R = a.next_inv_rms_R});
}

void residual_norm_backward(const ResidualNormBackward& a) {
  std::vector<float> dx(static_cast<size_t>(a.rows * a.dim));
  rms_norm_backward({.rows = a.rows,
                     .dim = a.dim,
                     .dy_RD = a.dy_RD,
                     .x_RD = a.x_out_RD,
                     .scale_D = a.next_scale_D,
                     .inv_rms_R = a.next_inv_rms_R,
                     .dx_RD = dx.data(),
                     .dscale_D = a.dnext_scale_D,
                     .shards = a.shards,
                     .workspace = nullptr});
  for (int64_t i = 0; i < a.rows * a.dim; ++i) {
    const float through = a.dx_out_RD == nullptr ? 0.0f : a.dx_out_RD[i];
    a.dx_RD[i] = through + dx[static_cast<size_t>(i)];
  }
  rms_norm_backward({.rows = a.rows,
                     .dim = a.dim,
                     .dy_RD = a.dx_RD,
                     .x_RD = a.branch_RD,
                     .scale_D = a.post_scale_D,
                     .inv_rms_R = a.post_inv_rms_R,
                     .dx_RD = a.dbranch_RD,
                     .dscale_D = a.dpost_scale_D,
                     .shards = a.shards,
                     .workspace = nullptr});
}

void head_logits(const HeadLogits& a) {
  linear_forward({.rows = a.num_tokens,
                  .in_dim = a.dim,
                  .out_dim = a.vocab_size,
                  .x_RI = a.h_ND,
                  .w_OI = a.w_VD,
                  .y_RO = a.logits_NV});
  for (int64_t i = 0; i < a.num_tokens * a.vocab_size; ++i) {
    double z = double{a.logits_NV[i]} * double{a.multiplier};
    if (a.softcap > 0) z = double{a.softcap} * std::tanh(z / a.softcap);
    a.logits_NV[i] = static_cast<float>(z);
  }
}

void head_loss(const HeadLoss& a) {
  const int64_t V = a.vocab_size, D = a.dim;
  const int64_t num_shards = a.shards.num_shards;
  const int64_t tokens_per_shard = a.num_tokens / num_shards;
  float* logits = a.workspace;
  float* shard_dw = a.workspace + V;
  if (a.dh_ND != nullptr) {
    std::fill(shard_dw, shard_dw + num_shards * V * D, 0.0f);
  }
  for (int64_t n = 0; n < a.num_tokens; ++n) {
    const float* h = a.h_ND + n * D;
    head_logits({.num_tokens = 1,
                 .dim = D,
                 .vocab_size = V,
                 .multiplier = a.multiplier,
                 .softcap = a.softcap,
                 .h_ND = h,
                 .w_VD = a.w_VD,
                 .logits_NV = logits});
    const double max = *std::max_element(logits, logits + V);
    double sum = 0;
    for (int64_t v = 0; v < V; ++v) sum += std::exp(logits[v] - max);
    const double lse = max + std::log(sum);
    a.losses_N[n] = static_cast<float>(lse - logits[a.targets_N[n]]);
    if (a.dh_ND == nullptr) continue;
    std::vector<double> dh(static_cast<size_t>(D), 0.0);
    float* dw = shard_dw + n / tokens_per_shard * V * D;
    for (int64_t v = 0; v < V; ++v) {
      double dz = std::exp(logits[v] - lse) - (v == a.targets_N[n] ? 1 : 0);
      dz *= double{a.grad_scale} * double{a.multiplier};
      if (a.softcap > 0) {
        const double t = double{logits[v]} / double{a.softcap};
        dz *= 1 - t * t;
      }
      for (int64_t d = 0; d < D; ++d) {
        dh[static_cast<size_t>(d)] += dz * a.w_VD[v * D + d];
        dw[v * D + d] += static_cast<float>(dz * h[d]);
      }
    }
    for (int64_t d = 0; d < D; ++d) {
      a.dh_ND[n * D + d] = static_cast<float>(dh[static_cast<size_t>(d)]);
    }
  }
  if (a.dh_ND == nullptr) return;
  for (int64_t i = 0; i < V * D; ++i) {
    const double before = a.shards.accumulate ? double{a.dw_VD[i]} : 0.0;
    a.dw_VD[i] =
        static_cast<float>(before + tree_sum(0, num_shards, [&](int64_t shard) {
                             return shard_dw[shard * V * D + i];
                           }));
  }
  if (a.touched.shard_rows_PUD == nullptr) return;
  const int64_t U = a.touched.num_rows;
  for (int64_t shard = 0; shard < num_shards; ++shard) {
    for (int64_t u = 0; u < U; ++u) {
      const float* from = shard_dw + (shard * V + a.touched.row_U[u]) * D;
      std::copy(from, from + D, a.touched.shard_rows_PUD + (shard * U + u) * D);
    }
  }
}

void add_into(const AddInto& a) {
  for (int64_t i = 0; i < a.count; ++i) a.left[i] += a.right[i];
}

double sum_of_squares(const SumOfSquares& a) {
  double sum = 0;
  for (int64_t i = 0; i < a.count; ++i) sum += double{a.x[i]} * a.x[i];
  return sum;
}

void adamw_update(const AdamWUpdate& a) {
  for (int64_t i = 0; i < a.count; ++i) {
    const double g = double{a.g[i]} * double{a.grad_scale};
    const double m = a.m[i] + (1 - double{a.beta1}) * (g - a.m[i]);
    const double v = a.v[i] + (1 - double{a.beta2}) * (g * g - a.v[i]);
    const double step =
        m * double{a.bias1} / (std::sqrt(v * double{a.bias2}) + a.eps);
    a.m_out[i] = static_cast<float>(m);
    a.v_out[i] = static_cast<float>(v);
    a.w_out[i] = static_cast<float>(
        a.w[i] - double{a.learning_rate} * (a.weight_decay * a.w[i] + step));
  }
  if (a.hash != nullptr) {
    a.hash->add(a.first, a.count, a.w_out, a.m_out, a.v_out);
  }
}

}  // namespace colossus::kernels::reference
