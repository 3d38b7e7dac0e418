// Training windows: the tokens of (seed, step, shard, row) are computed,
// nothing is stored, so any rank can have any row of any step.
//
// The token file is one stream, joined end to begin into a ring. A pass cuts it
// at a random offset into windows of seq_len inputs, whose targets are the
// tokens one further, and takes them in a random order; what is left over, less
// than a window, has its turn in other passes. Offset and order depend on seed
// and pass alone: every window comes once a pass whatever the shards.
#pragma once

#include <cstdint>
#include <span>

#include "data/token_file.h"

namespace colossus::data {

class Sampler {
 public:
  // `file` must outlive it. global_batch_size is in sequences, a multiple of
  // num_shards. UserError if the file has fewer than seq_len + 1 tokens.
  Sampler(const TokenFile& file, uint64_t seed, int64_t seq_len,
          int64_t global_batch_size, int64_t num_shards);

  // Row of [0, rows_per_shard()); both spans have seq_len elements. From any
  // thread. CorruptFile if the file is damaged there.
  void fill(int64_t step, int64_t shard, int64_t row,
            std::span<int32_t> inputs_T, std::span<int32_t> targets_T) const;

  // Where that window begins in the file; it goes on at token 0 behind the end.
  int64_t window_begin(int64_t step, int64_t shard, int64_t row) const;

  int64_t rows_per_shard() const { return rows_per_shard_; }
  int64_t windows_per_pass() const { return windows_per_pass_; }

 private:
  const TokenFile& file_;
  const uint64_t seed_;
  const int64_t seq_len_;
  const int64_t num_shards_;
  const int64_t rows_per_shard_;
  const int64_t windows_per_pass_;
};

}  // namespace colossus::data
