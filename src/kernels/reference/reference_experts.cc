#include "kernels/reference/reference_experts.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace colossus::kernels::reference {
namespace {

double softcap(double x, double cap) {
  return cap > 0 ? cap * std::tanh(x / cap) : x;
}

std::vector<double> softmax(const std::vector<double>& x, double* lse) {
  const double max = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const double value : x) sum += std::exp(value - max);
  *lse = max + std::log(sum);
  std::vector<double> p;
  p.reserve(x.size());
  for (const double value : x) p.push_back(std::exp(value - *lse));
  return p;
}

}  // namespace

void router_forward(const RouterForward& a) {
  const int64_t E = a.num_experts, S = a.num_selected;
  const int64_t rows_per_shard = a.rows / a.num_shards;
  for (int64_t shard = 0; shard < a.num_shards; ++shard) {
    std::vector<double> count(static_cast<size_t>(E), 0), mean = count;
    double z_loss = 0;
    for (int64_t r = shard * rows_per_shard; r < (shard + 1) * rows_per_shard;
         ++r) {
      std::vector<double> z, capped;
      for (int64_t e = 0; e < E; ++e) {
        double sum = 0;
        for (int64_t d = 0; d < a.dim; ++d) {
          sum += double{a.m_RD[r * a.dim + d]} * a.w_ED[e * a.dim + d];
        }
        a.logits_RE[r * E + e] = static_cast<float>(sum);
        z.push_back(sum);
        capped.push_back(softcap(sum, a.softcap));
      }
      double lse;
      const std::vector<double> p = softmax(capped, &lse);
      softmax(z, &lse);
      z_loss += lse * lse;
      std::vector<int32_t> order(static_cast<size_t>(E));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int32_t x, int32_t y) {
        return static_cast<float>(p[static_cast<size_t>(x)]) >
               static_cast<float>(p[static_cast<size_t>(y)]);
      });
      double selected = 0;
      for (int64_t j = 0; j < S; ++j) {
        selected += p[static_cast<size_t>(order[static_cast<size_t>(j)])];
      }
      for (int64_t j = 0; j < S; ++j) {
        const int32_t e = order[static_cast<size_t>(j)];
        const double w = p[static_cast<size_t>(e)];
        a.expert_RS[r * S + j] = e;
        a.weight_RS[r * S + j] =
            static_cast<float>(a.renormalize ? w / selected : w);
        count[static_cast<size_t>(e)] += 1;
      }
      for (int64_t e = 0; e < E; ++e) {
        a.probs_RE[r * E + e] = static_cast<float>(p[static_cast<size_t>(e)]);
        mean[static_cast<size_t>(e)] += p[static_cast<size_t>(e)];
      }
    }
    const auto n = static_cast<double>(rows_per_shard);
    double balance = 0;
    for (int64_t e = 0; e < E; ++e) {
      const auto at = static_cast<size_t>(e);
      const double share = count[at] / (n * static_cast<double>(S));
      a.share_PE[shard * E + e] = static_cast<float>(share);
      balance += share * mean[at] / n;
    }
    a.balance_loss_P[shard] =
        static_cast<float>(balance * static_cast<double>(E));
    a.z_loss_P[shard] = static_cast<float>(z_loss / n);
  }
}

void router_dispatch(const RouterDispatch& a) {
  const int64_t rows_per_shard = a.rows / a.num_shards;
  int32_t slot = 0;
  for (int32_t e = 0; e < a.num_experts; ++e) {
    for (int64_t shard = 0; shard < a.num_shards; ++shard) {
      a.segment_begin[e * a.num_shards + shard] = slot;
      const int64_t first = shard * rows_per_shard * a.num_selected;
      const int64_t last = first + rows_per_shard * a.num_selected;
      for (int64_t at = first; at < last; ++at) {
        if (a.expert_RS[at] != e) continue;
        a.row_of_slot[slot] = static_cast<int32_t>(at / a.num_selected);
        a.slot_RS[at] = slot++;
      }
    }
  }
  a.segment_begin[a.num_experts * a.num_shards] = slot;
}

void router_backward(const RouterBackward& a) {
  const int64_t E = a.num_experts, S = a.num_selected;
  const int64_t rows_per_shard = a.rows / a.num_shards;
  const auto n = static_cast<double>(rows_per_shard);
  for (int64_t r = 0; r < a.rows; ++r) {
    const int64_t shard = r / rows_per_shard;
    const float* p = a.probs_RE + r * E;
    std::vector<double> dp(static_cast<size_t>(E));
    for (int64_t e = 0; e < E; ++e) {
      dp[static_cast<size_t>(e)] = double{a.balance_weight} *
                                   static_cast<double>(E) *
                                   a.share_PE[shard * E + e] / n;
    }
    // Renormalised: w_j = p_j / sum, so dp_j = (dw_j - <dw, w>) / sum.
    double selected = 0, inner = 0;
    for (int64_t j = 0; j < S; ++j) {
      selected += p[a.expert_RS[r * S + j]];
      inner += double{a.dweight_RS[r * S + j]} * a.weight_RS[r * S + j];
    }
    for (int64_t j = 0; j < S; ++j) {
      const double dw = a.dweight_RS[r * S + j];
      dp[static_cast<size_t>(a.expert_RS[r * S + j])] +=
          a.renormalize ? (dw - inner) / selected : dw;
    }
    double dot = 0;
    for (int64_t e = 0; e < E; ++e) dot += dp[static_cast<size_t>(e)] * p[e];
    std::vector<double> z(a.logits_RE + r * E, a.logits_RE + (r + 1) * E);
    double lse;
    const std::vector<double> q = softmax(z, &lse);
    for (int64_t e = 0; e < E; ++e) {
      const auto at = static_cast<size_t>(e);
      double dz = p[e] * (dp[at] - dot);
      if (a.softcap > 0) {
        const double t = std::tanh(z[at] / double{a.softcap});
        dz *= 1 - t * t;
      }
      dz += double{a.z_weight} * 2 * lse * q[at] / n;
      a.dlogits_RE[r * E + e] = static_cast<float>(dz);
    }
  }
}

void expert_combine_forward(const ExpertCombineForward& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t d = 0; d < a.dim; ++d) {
      double sum = a.dense_RD == nullptr ? 0.0 : a.dense_RD[r * a.dim + d];
      for (int64_t j = 0; j < a.num_selected; ++j) {
        const int64_t slot = a.slot_RS[r * a.num_selected + j];
        sum += double{a.weight_RS[r * a.num_selected + j]} *
               a.y_slots[slot * a.dim + d];
      }
      a.y_RD[r * a.dim + d] = static_cast<float>(sum * double{a.scale});
    }
  }
}

void expert_combine_backward(const ExpertCombineBackward& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* dy = a.dy_RD + r * a.dim;
    for (int64_t j = 0; j < a.num_selected; ++j) {
      const int64_t at = r * a.num_selected + j;
      const float* y = a.y_slots + a.slot_RS[at] * a.dim;
      float* d_slot = a.dy_slots + a.slot_RS[at] * a.dim;
      double dw = 0;
      for (int64_t d = 0; d < a.dim; ++d) {
        dw += double{dy[d]} * y[d];
        d_slot[d] = static_cast<float>(double{dy[d]} * double{a.scale} *
                                       a.weight_RS[at]);
      }
      a.dweight_RS[at] = static_cast<float>(dw * double{a.scale});
    }
    if (a.ddense_RD == nullptr) continue;
    for (int64_t d = 0; d < a.dim; ++d) {
      a.ddense_RD[r * a.dim + d] = dy[d] * a.scale;
    }
  }
}

void expert_input_backward(const ExpertInputBackward& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t d = 0; d < a.dim; ++d) {
      double sum =
          a.ddense_m_RD == nullptr ? 0.0 : a.ddense_m_RD[r * a.dim + d];
      for (int64_t e = 0; e < a.num_experts; ++e) {
        sum +=
            double{a.dlogits_RE[r * a.num_experts + e]} * a.w_ED[e * a.dim + d];
      }
      for (int64_t j = 0; j < a.num_selected; ++j) {
        const int64_t slot = a.slot_RS[r * a.num_selected + j];
        sum += a.dm_slots[slot * a.dim + d];
      }
      a.dm_RD[r * a.dim + d] = static_cast<float>(sum);
    }
  }
}

}  // namespace colossus::kernels::reference
