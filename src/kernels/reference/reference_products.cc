#include "kernels/reference/reference_products.h"

#include <cmath>
#include <vector>

namespace colossus::kernels::reference {
namespace {

int64_t stride_or(int64_t stride, int64_t dense) {
  return stride == 0 ? dense : stride;
}

int64_t source_row(const int32_t* x_row, int64_t row) {
  return x_row == nullptr ? row : x_row[row];
}

// First row of segment (group, shard).
int64_t segment_begin(const RowGroups& groups, int64_t num_shards, int64_t rows,
                      int64_t segment) {
  if (groups.segment_begin != nullptr) return groups.segment_begin[segment];
  return segment * (rows / num_shards);
}

// The weight that each row meets.
std::vector<const float*> weight_of_rows(const RowGroups& groups,
                                         int64_t num_shards, int64_t rows,
                                         const float* w) {
  std::vector<const float*> weight(static_cast<size_t>(rows), w);
  for (int64_t group = 1; group < groups.num_groups; ++group) {
    const int64_t begin =
        segment_begin(groups, num_shards, rows, group * num_shards);
    for (int64_t row = begin; row < rows; ++row) {
      weight[static_cast<size_t>(row)] = w + group * groups.weight_stride;
    }
  }
  return weight;
}

}  // namespace

double tree_sum(int64_t first, int64_t count,
                const std::function<double(int64_t)>& term) {
  if (count == 1) return term(first);
  return tree_sum(first, count / 2, term) +
         tree_sum(first + count / 2, count / 2, term);
}

double gelu(double x) {
  const double inner = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(inner));
}

double gelu_gradient(double x) {
  const double c = std::sqrt(2 / M_PI);
  const double t = std::tanh(c * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
}

void linear_forward(const LinearForward& a) {
  const auto weight = weight_of_rows(a.groups, a.num_shards, a.rows, a.w_OI);
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x =
        a.x_RI + source_row(a.x_row, r) * stride_or(a.x_stride, a.in_dim);
    for (int64_t o = 0; o < a.out_dim; ++o) {
      const float* w = weight[static_cast<size_t>(r)] + o * a.in_dim;
      double sum = 0;
      for (int64_t i = 0; i < a.in_dim; ++i) sum += double{x[i]} * w[i];
      a.y_RO[r * stride_or(a.y_stride, a.out_dim) + o] =
          static_cast<float>(sum);
    }
  }
}

void linear_backward_input(const LinearBackwardInput& a) {
  const auto weight = weight_of_rows(a.groups, a.num_shards, a.rows, a.w_OI);
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* dy = a.dy_RO + r * stride_or(a.dy_stride, a.out_dim);
    const float* w = weight[static_cast<size_t>(r)];
    for (int64_t i = 0; i < a.in_dim; ++i) {
      double sum = 0;
      for (int64_t o = 0; o < a.out_dim; ++o) {
        sum += double{dy[o]} * w[o * a.in_dim + i];
      }
      a.dx_RI[r * stride_or(a.dx_stride, a.in_dim) + i] =
          static_cast<float>(sum);
    }
  }
}

void linear_backward_weight(const LinearBackwardWeight& a) {
  const int64_t num_shards = a.shards.num_shards;
  const auto shard_sum = [&](int64_t segment, int64_t o, int64_t i) {
    const int64_t begin = segment_begin(a.groups, num_shards, a.rows, segment);
    const int64_t end =
        segment_begin(a.groups, num_shards, a.rows, segment + 1);
    double sum = 0;
    for (int64_t r = begin; r < end; ++r) {
      const float* x =
          a.x_RI + source_row(a.x_row, r) * stride_or(a.x_stride, a.in_dim);
      sum += double{a.dy_RO[r * stride_or(a.dy_stride, a.out_dim) + o]} * x[i];
    }
    return sum;
  };
  for (int64_t group = 0; group < a.groups.num_groups; ++group) {
    float* dw = a.dw_OI + group * a.groups.weight_stride;
    for (int64_t o = 0; o < a.out_dim; ++o) {
      for (int64_t i = 0; i < a.in_dim; ++i) {
        const double before =
            a.shards.accumulate ? double{dw[o * a.in_dim + i]} : 0.0;
        const double sum =
            tree_sum(group * num_shards, num_shards,
                     [&](int64_t segment) { return shard_sum(segment, o, i); });
        dw[o * a.in_dim + i] = static_cast<float>(before + sum);
      }
    }
  }
  for (int64_t shard = 0; shard < num_shards; ++shard) {
    for (int64_t c = 0; c < a.num_captured; ++c) {
      for (int64_t i = 0; i < a.in_dim; ++i) {
        a.captured[(shard * a.num_captured + c) * a.in_dim + i] =
            static_cast<float>(shard_sum(shard, a.captured_row[c], i));
      }
    }
  }
}

void gated_linear_forward(const GatedLinearForward& a) {
  std::vector<float> own;
  float* gate_up = a.gate_up_R2F;
  if (gate_up == nullptr) {
    own.resize(static_cast<size_t>(a.rows * 2 * a.ffn_dim));
    gate_up = own.data();
  }
  linear_forward({.rows = a.rows,
                  .in_dim = a.in_dim,
                  .out_dim = 2 * a.ffn_dim,
                  .x_RI = a.x_RI,
                  .x_row = a.x_row,
                  .w_OI = a.w_2FI,
                  .y_RO = gate_up,
                  .groups = a.groups,
                  .num_shards = a.num_shards});
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* gate = gate_up + r * 2 * a.ffn_dim;
    const float* up = gate + a.ffn_dim;
    for (int64_t f = 0; f < a.ffn_dim; ++f) {
      a.h_RF[r * a.ffn_dim + f] = static_cast<float>(gelu(gate[f]) * up[f]);
    }
  }
}

void gated_linear_backward_input(const GatedLinearBackwardInput& a) {
  std::vector<float> dh(static_cast<size_t>(a.rows * a.ffn_dim));
  linear_backward_input({.rows = a.rows,
                         .in_dim = a.ffn_dim,
                         .out_dim = a.out_dim,
                         .dy_RO = a.dy_RO,
                         .w_OI = a.w_OF,
                         .dx_RI = dh.data(),
                         .groups = a.groups,
                         .num_shards = a.num_shards});
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t f = 0; f < a.ffn_dim; ++f) {
      const int64_t at_gate = r * 2 * a.ffn_dim + f;
      const int64_t at_up = at_gate + a.ffn_dim;
      const double gate = a.gate_up_R2F[at_gate];
      const double up = a.gate_up_R2F[at_up];
      const double d = dh[static_cast<size_t>(r * a.ffn_dim + f)];
      a.h_RF[r * a.ffn_dim + f] = static_cast<float>(gelu(gate) * up);
      a.d_gate_up_R2F[at_gate] =
          static_cast<float>(d * up * gelu_gradient(gate));
      a.d_gate_up_R2F[at_up] = static_cast<float>(d * gelu(gate));
    }
  }
}

}  // namespace colossus::kernels::reference
