// The embedding table: rows gathered, and their gradients scattered. The
// backward pass gives each thread columns of its own, so that a token that
// comes twice is summed in the order of the tokens.
// Shapes: N tokens, V vocabulary, D dim, U touched rows, P shards.
#include "kernels/cpu/embedding.h"

#include "kernels/cpu/pieces.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/embedding.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

void embedding_forward_rows(const EmbeddingForward& a, int64_t begin,
                            int64_t end) {
  const V16 multiplier = set1(a.multiplier);
  for (int64_t n = begin; n < end; ++n) {
    const float* w_D = a.w_VD + a.tokens_N[n] * a.dim;
    float* x_D = a.x_ND + n * a.dim;
    each_vec(0, a.dim, [&](int64_t d, auto io) HWY_ATTR {
      io.store(mul(io.load(w_D + d), multiplier), x_D + d);
    });
  }
}

// rows[row_N[n]] += dx[n] * multiplier for tokens [first, last), columns
// [begin, end).
void add_tokens(const EmbeddingBackward& a, const int32_t* row_N, int64_t first,
                int64_t last, int64_t begin, int64_t end, float* rows) {
  const V16 multiplier = set1(a.multiplier);
  for (int64_t n = first; n < last; ++n) {
    const float* dx_D = a.dx_ND + n * a.dim;
    float* dw_D = rows + row_N[n] * a.dim;
    each_vec(begin, end, [&](int64_t d, auto io) HWY_ATTR {
      const V16 sum = io.load(dw_D + d);
      io.store(fma16(io.load(dx_D + d), multiplier, sum), dw_D + d);
    });
  }
}

// dw's touched rows become the tree over the shards' own.
void sum_touched_rows(const EmbeddingBackward& a, int64_t begin, int64_t end) {
  const TouchedRows& t = a.touched;
  for (int64_t u = 0; u < t.num_rows; ++u) {
    float* dw_D = a.dw_VD + t.row_U[u] * a.dim;
    each_vec(begin, end, [&](int64_t d, auto io) HWY_ATTR {
      const auto own = [&](int64_t shard) HWY_ATTR {
        return io.load(t.shard_rows_PUD + (shard * t.num_rows + u) * a.dim + d);
      };
      io.store(shard_tree(0, a.num_shards, own), dw_D + d);
    });
  }
}

void embedding_backward_columns(const EmbeddingBackward& a, int64_t begin,
                                int64_t end) {
  if (a.num_shards == 1) {
    add_tokens(a, a.tokens_N, 0, a.num_tokens, begin, end, a.dw_VD);
    return;
  }
  const int64_t tokens = a.num_tokens / a.num_shards;
  for (int64_t shard = 0; shard < a.num_shards; ++shard) {
    add_tokens(a, a.touched.index_N, shard * tokens, (shard + 1) * tokens,
               begin, end,
               a.touched.shard_rows_PUD + shard * a.touched.num_rows * a.dim);
  }
  sum_touched_rows(a, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(embedding_forward_rows);
HWY_EXPORT(embedding_backward_columns);

void embedding_forward(const Context& context, const EmbeddingForward& args) {
  for_each_range(context, args.num_tokens, args.dim,
                 [&](int64_t begin, int64_t end) {
                   HWY_DYNAMIC_DISPATCH(embedding_forward_rows)
                   (args, begin, end);
                 });
}

void embedding_backward(const Context& context, const EmbeddingBackward& args) {
  check_num_shards(args.num_tokens, args.num_shards);
  for_each_column_range(context, args.dim, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(embedding_backward_columns)(args, begin, end);
  });
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
