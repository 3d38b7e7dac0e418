#include "kernels/reference/reference_attention.h"

#include <cmath>
#include <vector>

namespace colossus::kernels::reference {
namespace {

using Row = std::vector<double>;

// RoPE at a position; `direction` -1 turns back (the gradient).
Row rotate(const AttentionShape& s, const Row& x, int64_t position,
           double direction = 1) {
  const int64_t half = s.head_dim / 2;
  Row y(x.size());
  for (int64_t j = 0; j < half; ++j) {
    const double c = s.rope.cos_TJ[position * half + j];
    const double n = direction * s.rope.sin_TJ[position * half + j];
    const auto a = static_cast<size_t>(j), b = static_cast<size_t>(j + half);
    y[a] = x[a] * c - x[b] * n;
    y[b] = x[b] * c + x[a] * n;
  }
  return y;
}

// Offsets of a head's part in a row of qkv.
int64_t q_at(const AttentionShape& s, int64_t head) {
  return head * s.head_dim;
}
int64_t k_at(const AttentionShape& s, int64_t kv_head) {
  return s.q_dim() + kv_head * s.head_dim;
}
int64_t v_at(const AttentionShape& s, int64_t kv_head) {
  return s.q_dim() + s.kv_dim() + kv_head * s.head_dim;
}

Row read(const float* x, int64_t count) { return Row(x, x + count); }

double dot(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double softcap(double x, double cap) {
  return cap > 0 ? cap * std::tanh(x / cap) : x;
}

double position_scale(const AttentionShape& s, int64_t query) {
  return s.position_scale_T == nullptr ? 1.0 : s.position_scale_T[query];
}

// Rotated keys and plain values of one head of one sequence.
struct KeysValues {
  std::vector<Row> k, v;
};

KeysValues keys_values(const AttentionShape& s, const float* qkv_TC,
                       int64_t kv_head) {
  KeysValues kv;
  for (int64_t t = 0; t < s.seq_len; ++t) {
    const float* row = qkv_TC + t * s.qkv_dim();
    kv.k.push_back(rotate(s, read(row + k_at(s, kv_head), s.head_dim), t));
    kv.v.push_back(read(row + v_at(s, kv_head), s.head_dim));
  }
  return kv;
}

// Scores of query t after cap and position scale.
Row scores(const AttentionShape& s, const Row& q, const KeysValues& kv,
           int64_t t) {
  Row score(static_cast<size_t>(t + 1));
  for (size_t u = 0; u < score.size(); ++u) {
    score[u] = softcap(double{s.multiplier} * dot(q, kv.k[u]), s.softcap) *
               position_scale(s, t);
  }
  return score;
}

}  // namespace

void attention_forward(const AttentionForward& a) {
  const AttentionShape& s = a.shape;
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  for (int64_t b = 0; b < s.num_sequences; ++b) {
    const float* qkv_TC = a.qkv_BTC + b * s.seq_len * s.qkv_dim();
    for (int64_t h = 0; h < s.num_q_heads; ++h) {
      const KeysValues kv = keys_values(s, qkv_TC, h / group);
      for (int64_t t = 0; t < s.seq_len; ++t) {
        const Row q = rotate(
            s, read(qkv_TC + t * s.qkv_dim() + q_at(s, h), s.head_dim), t);
        const Row score = scores(s, q, kv, t);
        double max = score[0];
        for (const double x : score) max = std::max(max, x);
        double sum = 0;
        Row o(q.size(), 0.0);
        for (size_t u = 0; u < score.size(); ++u) {
          const double p = std::exp(score[u] - max);
          sum += p;
          for (size_t i = 0; i < o.size(); ++i) o[i] += p * kv.v[u][i];
        }
        float* out = a.o_BTHK + (b * s.seq_len + t) * s.q_dim() + q_at(s, h);
        for (size_t i = 0; i < o.size(); ++i) {
          out[i] = static_cast<float>(o[i] / sum);
        }
        a.lse_BHT[(b * s.num_q_heads + h) * s.seq_len + t] =
            static_cast<float>(max + std::log(sum));
      }
    }
  }
}

void attention_backward(const AttentionBackward& a) {
  const AttentionShape& s = a.shape;
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  const auto add_to = [](float* out, const Row& x) {
    for (size_t i = 0; i < x.size(); ++i) {
      out[i] = static_cast<float>(double{out[i]} + x[i]);
    }
  };
  for (int64_t b = 0; b < s.num_sequences; ++b) {
    const float* qkv_TC = a.qkv_BTC + b * s.seq_len * s.qkv_dim();
    float* dqkv_TC = a.dqkv_BTC + b * s.seq_len * s.qkv_dim();
    std::fill(dqkv_TC, dqkv_TC + s.seq_len * s.qkv_dim(), 0.0f);
    for (int64_t h = 0; h < s.num_q_heads; ++h) {
      const KeysValues kv = keys_values(s, qkv_TC, h / group);
      const auto head_dim = static_cast<size_t>(s.head_dim);
      std::vector<Row> dk(kv.k.size(), Row(head_dim, 0.0)), dv = dk;
      for (int64_t t = 0; t < s.seq_len; ++t) {
        const int64_t row = b * s.seq_len + t;
        const Row q = rotate(
            s, read(qkv_TC + t * s.qkv_dim() + q_at(s, h), s.head_dim), t);
        const Row o = read(a.o_BTHK + row * s.q_dim() + q_at(s, h), s.head_dim);
        const Row d_o =
            read(a.do_BTHK + row * s.q_dim() + q_at(s, h), s.head_dim);
        const double lse = a.lse_BHT[(b * s.num_q_heads + h) * s.seq_len + t];
        const double delta = dot(o, d_o);
        const Row score = scores(s, q, kv, t);
        Row dq(head_dim, 0.0);
        for (size_t u = 0; u < score.size(); ++u) {
          const double p = std::exp(score[u] - lse);
          const double scale = position_scale(s, t);
          double ds = p * (dot(d_o, kv.v[u]) - delta) * scale;
          if (s.softcap > 0) {
            const double tanh = score[u] / scale / double{s.softcap};
            ds *= 1 - tanh * tanh;
          }
          ds *= double{s.multiplier};
          for (size_t i = 0; i < head_dim; ++i) {
            dq[i] += ds * kv.k[u][i];
            dk[u][i] += ds * q[i];
            dv[u][i] += p * d_o[i];
          }
        }
        add_to(dqkv_TC + t * s.qkv_dim() + q_at(s, h), rotate(s, dq, t, -1));
      }
      for (int64_t t = 0; t < s.seq_len; ++t) {
        float* row = dqkv_TC + t * s.qkv_dim();
        const auto u = static_cast<size_t>(t);
        add_to(row + k_at(s, h / group), rotate(s, dk[u], t, -1));
        add_to(row + v_at(s, h / group), dv[u]);
      }
    }
  }
}

void attention_decode(const AttentionDecode& a) {
  const AttentionShape& s = a.shape;
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  for (int64_t g = 0; g < s.num_kv_heads; ++g) {
    const int64_t at = (g * s.seq_len + a.position) * s.head_dim;
    const Row k = rotate(s, read(a.qkv_C + k_at(s, g), s.head_dim), a.position);
    for (int64_t i = 0; i < s.head_dim; ++i) {
      a.k_cache_GTK[at + i] = static_cast<float>(k[static_cast<size_t>(i)]);
      a.v_cache_GTK[at + i] = a.qkv_C[v_at(s, g) + i];
    }
  }
  for (int64_t h = 0; h < s.num_q_heads; ++h) {
    KeysValues kv;
    for (int64_t t = 0; t <= a.position; ++t) {
      const int64_t at = ((h / group) * s.seq_len + t) * s.head_dim;
      kv.k.push_back(read(a.k_cache_GTK + at, s.head_dim));
      kv.v.push_back(read(a.v_cache_GTK + at, s.head_dim));
    }
    const Row q = rotate(s, read(a.qkv_C + q_at(s, h), s.head_dim), a.position);
    const Row score = scores(s, q, kv, a.position);
    double max = score[0], sum = 0;
    for (const double x : score) max = std::max(max, x);
    Row o(q.size(), 0.0);
    for (size_t u = 0; u < score.size(); ++u) {
      const double p = std::exp(score[u] - max);
      sum += p;
      for (size_t i = 0; i < o.size(); ++i) o[i] += p * kv.v[u][i];
    }
    for (size_t i = 0; i < o.size(); ++i) {
      a.o_HK[q_at(s, h) + static_cast<int64_t>(i)] =
          static_cast<float>(o[i] / sum);
    }
  }
}

}  // namespace colossus::kernels::reference
