#include "model/rope.h"

#include "base/exact_math.h"
#include "tensor/arena.h"

namespace colossus::model {
namespace {

void fill_angles(const config::ModelConfig& c, int64_t seq_len, float* cos_TJ,
                 float* sin_TJ) {
  const int64_t half = c.head_dim / 2;
  for (int64_t j = 0; j < half; ++j) {
    const double exponent =
        -2.0 * static_cast<double>(j) / static_cast<double>(c.head_dim);
    const double frequency = exact_pow(c.rope_theta, exponent);
    for (int64_t t = 0; t < seq_len; ++t) {
      const double angle = static_cast<double>(t) * frequency;
      cos_TJ[t * half + j] = static_cast<float>(exact_cos(angle));
      sin_TJ[t * half + j] = static_cast<float>(exact_sin(angle));
    }
  }
}

void fill_position_scale(int64_t start, int64_t seq_len, float* scale_T) {
  for (int64_t t = 0; t < seq_len; ++t) {
    scale_T[t] =
        t <= start ? 1.0f
                   : static_cast<float>(exact_log(static_cast<double>(t)) /
                                        exact_log(static_cast<double>(start)));
  }
}

}  // namespace

kernels::AttentionShape make_attention_shape(const config::ModelConfig& c,
                                             int64_t num_sequences,
                                             int64_t seq_len,
                                             tensor::Arena& arena) {
  const int64_t half = c.head_dim / 2;
  float* cos_TJ = arena.take<float>(seq_len * half, "tables");
  float* sin_TJ = arena.take<float>(seq_len * half, "tables");
  const bool scaled =
      c.long_context_start > 1 && seq_len > c.long_context_start;
  float* scale_T = scaled ? arena.take<float>(seq_len, "tables") : nullptr;
  if (!arena.planning()) {
    fill_angles(c, seq_len, cos_TJ, sin_TJ);
    if (scaled) fill_position_scale(c.long_context_start, seq_len, scale_T);
  }
  return {.num_sequences = num_sequences,
          .seq_len = seq_len,
          .num_q_heads = c.num_q_heads,
          .num_kv_heads = c.num_kv_heads,
          .head_dim = c.head_dim,
          .multiplier = static_cast<float>(c.attn_output_multiplier),
          .softcap = static_cast<float>(c.attn_logit_softcap),
          .rope = {cos_TJ, sin_TJ},
          .position_scale_T = scale_T};
}

}  // namespace colossus::model
