// For tests of attention: cases with inputs, and a plain attention in double,
// query by query, forward and backward.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/attention.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {

using Doubles = std::vector<double>;

// A case with its inputs, and tables of its own.
struct AttentionProblem {
  AttentionShape shape{};
  Floats cos, sin, position_scale;
  Floats qkv, d_out;

  int64_t num_tokens() const { return shape.num_sequences * shape.seq_len; }
  // The pointers into this object.
  AttentionShape with_pointers() const {
    AttentionShape s = shape;
    s.rope = {cos.data(), sin.data()};
    s.position_scale_T =
        position_scale.empty() ? nullptr : position_scale.data();
    return s;
  }
};

inline AttentionProblem make_problem(int64_t b, int64_t t, int64_t h, int64_t g,
                                     int64_t k, float softcap,
                                     bool position_scale = false) {
  AttentionProblem p;
  p.shape = {b,       t,
             h,       g,
             k,       1.0f / std::sqrt(static_cast<float>(k)),
             softcap, {nullptr, nullptr}};
  for (int64_t i = 0; i < t; ++i) {
    for (int64_t j = 0; j < k / 2; ++j) {
      const double angle =
          static_cast<double>(i) *
          std::pow(1e4, -2.0 * static_cast<double>(j) / static_cast<double>(k));
      p.cos.push_back(static_cast<float>(std::cos(angle)));
      p.sin.push_back(static_cast<float>(std::sin(angle)));
    }
    if (position_scale) {
      p.position_scale.push_back(1.0f + 0.01f * static_cast<float>(i % 7));
    }
  }
  p.qkv = random_floats(p.num_tokens() * p.shape.qkv_dim(), 5);
  for (float& v : p.qkv) v *= 2;
  p.d_out = random_floats(p.num_tokens() * p.shape.q_dim(), 9);
  return p;
}

// One (sequence, head, query) in double: scores, weights, output.
class AttentionReference {
 public:
  AttentionReference(const AttentionProblem& p, const Doubles& qkv)
      : p_(p), s_(p.with_pointers()), qkv_(qkv) {}

  Doubles rotated(int64_t row, int64_t offset) const {
    const int64_t half = s_.head_dim / 2;
    const int64_t t = row % s_.seq_len;
    Doubles x(static_cast<size_t>(s_.head_dim));
    for (int64_t j = 0; j < half; ++j) {
      const double a = at(row, offset + j), b = at(row, offset + half + j);
      const double c = p_.cos[static_cast<size_t>(t * half + j)];
      const double s = p_.sin[static_cast<size_t>(t * half + j)];
      x[static_cast<size_t>(j)] = a * c - b * s;
      x[static_cast<size_t>(half + j)] = b * c + a * s;
    }
    return x;
  }

  double at(int64_t row, int64_t column) const {
    return qkv_[static_cast<size_t>(row * s_.qkv_dim() + column)];
  }
  int64_t k_offset(int64_t h) const {
    return s_.q_dim() + h / (s_.num_q_heads / s_.num_kv_heads) * s_.head_dim;
  }

  // Weights of query t over keys 0..t; *lse too.
  Doubles weights(int64_t b, int64_t h, int64_t t, double* lse) const {
    const Doubles q = rotated(b * s_.seq_len + t, h * s_.head_dim);
    Doubles w;
    double sum = 0;
    for (int64_t n = 0; n <= t; ++n) {
      const Doubles k = rotated(b * s_.seq_len + n, k_offset(h));
      double dot = 0;
      for (size_t j = 0; j < q.size(); ++j) dot += q[j] * k[j];
      double s = s_.multiplier * dot;
      if (s_.softcap > 0) s = s_.softcap * std::tanh(s / s_.softcap);
      if (s_.position_scale_T != nullptr) s *= s_.position_scale_T[t];
      w.push_back(std::exp(s));
      sum += w.back();
    }
    for (double& x : w) x /= sum;
    *lse = std::log(sum);
    return w;
  }

  // o and lse.
  std::pair<Doubles, Doubles> forward() const {
    Doubles o(static_cast<size_t>(p_.num_tokens() * s_.q_dim()));
    Doubles lse(static_cast<size_t>(p_.num_tokens() * s_.num_q_heads));
    for (int64_t b = 0; b < s_.num_sequences; ++b) {
      for (int64_t h = 0; h < s_.num_q_heads; ++h) {
        for (int64_t t = 0; t < s_.seq_len; ++t) {
          const int64_t l = (b * s_.num_q_heads + h) * s_.seq_len + t;
          const Doubles w = weights(b, h, t, &lse[static_cast<size_t>(l)]);
          const int64_t row = b * s_.seq_len + t;
          for (int64_t n = 0; n <= t; ++n) {
            for (int64_t j = 0; j < s_.head_dim; ++j) {
              o[static_cast<size_t>(row * s_.q_dim() + h * s_.head_dim + j)] +=
                  w[static_cast<size_t>(n)] *
                  at(b * s_.seq_len + n, k_offset(h) + s_.kv_dim() + j);
            }
          }
        }
      }
    }
    return {o, lse};
  }

  // dqkv for d_out, by the chain rule, query by query.
  Doubles backward() const {
    Doubles d(qkv_.size());
    for (int64_t b = 0; b < s_.num_sequences; ++b) {
      for (int64_t h = 0; h < s_.num_q_heads; ++h) {
        for (int64_t t = 0; t < s_.seq_len; ++t) backward_query(b, h, t, d);
      }
    }
    return d;
  }

 private:
  void backward_query(int64_t b, int64_t h, int64_t t, Doubles& d) const {
    const int64_t row = b * s_.seq_len + t, kdim = s_.head_dim;
    double lse;
    const Doubles w = weights(b, h, t, &lse);
    const Doubles q = rotated(row, h * kdim);
    Doubles dw, dq(q.size());
    double mean = 0;
    for (int64_t n = 0; n <= t; ++n) {
      double sum = 0;
      const int64_t key = b * s_.seq_len + n;
      for (int64_t j = 0; j < kdim; ++j) {
        const int64_t v = k_offset(h) + s_.kv_dim() + j;
        const double go =
            p_.d_out[static_cast<size_t>(row * s_.q_dim() + h * kdim + j)];
        sum += go * at(key, v);
        d[static_cast<size_t>(key * s_.qkv_dim() + v)] +=
            go * w[static_cast<size_t>(n)];
      }
      dw.push_back(sum);
      mean += sum * w[static_cast<size_t>(n)];
    }
    for (int64_t n = 0; n <= t; ++n) {
      const int64_t key = b * s_.seq_len + n;
      const Doubles k = rotated(key, k_offset(h));
      double dot = 0;
      for (size_t j = 0; j < q.size(); ++j) dot += q[j] * k[j];
      double slope = s_.multiplier;
      if (s_.softcap > 0) {
        const double tanh = std::tanh(s_.multiplier * dot / s_.softcap);
        slope *= 1 - tanh * tanh;
      }
      if (s_.position_scale_T != nullptr) slope *= s_.position_scale_T[t];
      const double ds = w[static_cast<size_t>(n)] *
                        (dw[static_cast<size_t>(n)] - mean) * slope;
      Doubles dk(q.size());
      for (size_t j = 0; j < q.size(); ++j) {
        dq[j] += ds * k[j];
        dk[j] = ds * q[j];
      }
      add_rotated_back(key, k_offset(h), dk, d);
    }
    add_rotated_back(row, h * kdim, dq, d);
  }

  void add_rotated_back(int64_t row, int64_t offset, const Doubles& g,
                        Doubles& d) const {
    const int64_t half = s_.head_dim / 2, t = row % s_.seq_len;
    double* to = d.data() + row * s_.qkv_dim() + offset;
    for (int64_t j = 0; j < half; ++j) {
      const double a = g[static_cast<size_t>(j)];
      const double b = g[static_cast<size_t>(half + j)];
      const double c = p_.cos[static_cast<size_t>(t * half + j)];
      const double s = p_.sin[static_cast<size_t>(t * half + j)];
      to[j] += a * c + b * s;
      to[half + j] += b * c - a * s;
    }
  }

  const AttentionProblem& p_;
  AttentionShape s_;
  const Doubles& qkv_;
};

}  // namespace colossus::kernels::cpu
