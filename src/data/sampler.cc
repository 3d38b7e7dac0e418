#include "data/sampler.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "data/permutation.h"

namespace colossus::data {

Sampler::Sampler(const TokenFile& file, uint64_t seed, int64_t seq_len,
                 int64_t global_batch_size, int64_t num_shards)
    : file_(file),
      seed_(seed),
      seq_len_(seq_len),
      num_shards_(num_shards),
      rows_per_shard_(num_shards > 0 ? global_batch_size / num_shards : 0),
      windows_per_pass_(seq_len > 0 ? file.info().num_tokens / seq_len : 0) {
  COLOSSUS_CHECK(seq_len >= 1 && num_shards >= 1 && rows_per_shard_ >= 1 &&
                     global_batch_size % num_shards == 0,
                 "seq_len {}, batch {} over {} shards", seq_len,
                 global_batch_size, num_shards);
  if (file.info().num_tokens < seq_len + 1) {
    throw user_error(
        "{}: {} tokens are less than one training window, run.seq_len {} + 1; "
        "prepare more text or lower run.seq_len",
        file.name(), file.info().num_tokens, seq_len);
  }
}

int64_t Sampler::window_begin(int64_t step, int64_t shard, int64_t row) const {
  COLOSSUS_CHECK(step >= 0 && shard >= 0 && shard < num_shards_ && row >= 0 &&
                     row < rows_per_shard_,
                 "step {}, shard {}, row {}", step, shard, row);
  const int64_t sequence = (step * num_shards_ + shard) * rows_per_shard_ + row;
  const auto pass = static_cast<uint64_t>(sequence / windows_per_pass_);
  const Permutation order(static_cast<uint64_t>(windows_per_pass_), seed_,
                          stream_of("data/order") + pass);
  const auto window = static_cast<int64_t>(
      order(static_cast<uint64_t>(sequence % windows_per_pass_)));
  const int64_t num_tokens = file_.info().num_tokens;
  const auto offset =
      static_cast<int64_t>(random_bits(seed_, stream_of("data/offset"), pass) %
                           static_cast<uint64_t>(num_tokens));
  return (offset + window * seq_len_) % num_tokens;
}

void Sampler::fill(int64_t step, int64_t shard, int64_t row,
                   std::span<int32_t> inputs_T,
                   std::span<int32_t> targets_T) const {
  const auto seq_len = static_cast<size_t>(seq_len_);
  COLOSSUS_CHECK(inputs_T.size() == seq_len && targets_T.size() == seq_len,
                 "spans of {} and {} for seq_len {}", inputs_T.size(),
                 targets_T.size(), seq_len_);
  const int64_t begin = window_begin(step, shard, row);
  const int64_t before_end =
      std::min(seq_len_, file_.info().num_tokens - begin);
  file_.read(begin, inputs_T.first(static_cast<size_t>(before_end)));
  file_.read(0, inputs_T.subspan(static_cast<size_t>(before_end)));
  std::copy(inputs_T.begin() + 1, inputs_T.end(), targets_T.begin());
  file_.read((begin + seq_len_) % file_.info().num_tokens,
             targets_T.subspan(seq_len - 1));
}

}  // namespace colossus::data
