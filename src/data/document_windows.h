// Evaluation windows: each document from its start in windows of seq_len
// without overlap, so that every token is scored exactly once: a document's
// first from its begin token, a window's first from the token before it, the
// end token too.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/token_file.h"

namespace colossus::data {

class DocumentWindows {
 public:
  struct Window {
    int64_t document = 0;
    int64_t num_targets = 0;  // the rest of the window is padding
  };

  // `file` must outlive it. Takes 8 bytes a document.
  DocumentWindows(const TokenFile& file, int64_t seq_len);

  int64_t size() const { return first_window_.back(); }
  // Of all windows together: every token but the begin tokens.
  int64_t num_targets() const;

  // Both spans have seq_len elements. Behind the targets, inputs are padded
  // with token 0 and targets with -1. From any thread.
  Window fill(int64_t window, std::span<int32_t> inputs_T,
              std::span<int32_t> targets_T) const;

 private:
  const TokenFile& file_;
  const int64_t seq_len_;
  std::vector<int64_t> first_window_;  // of each document; at the end, of all
};

}  // namespace colossus::data
