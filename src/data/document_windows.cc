#include "data/document_windows.h"

#include <algorithm>

#include "base/error.h"

namespace colossus::data {

DocumentWindows::DocumentWindows(const TokenFile& file, int64_t seq_len)
    : file_(file), seq_len_(seq_len) {
  COLOSSUS_CHECK(seq_len >= 1, "seq_len is {}", seq_len);
  first_window_.push_back(0);
  for (int64_t i = 0; i < file.info().num_documents; ++i) {
    const int64_t num_targets = file.document(i).num_tokens() - 1;
    first_window_.push_back(first_window_.back() +
                            (num_targets + seq_len - 1) / seq_len);
  }
}

int64_t DocumentWindows::num_targets() const {
  return file_.info().num_tokens - file_.info().num_documents;
}

DocumentWindows::Window DocumentWindows::fill(
    int64_t window, std::span<int32_t> inputs_T,
    std::span<int32_t> targets_T) const {
  COLOSSUS_CHECK(window >= 0 && window < size(), "window {} of {}", window,
                 size());
  const auto behind =
      std::upper_bound(first_window_.begin(), first_window_.end(), window);
  const int64_t document = behind - first_window_.begin() - 1;
  const DocumentBounds bounds = file_.document(document);
  const int64_t begin =
      bounds.token_begin + (window - first_window_[document]) * seq_len_;
  const int64_t num_targets = std::min(seq_len_, bounds.token_end - 1 - begin);
  const auto count = static_cast<size_t>(num_targets);
  file_.read(begin, inputs_T.first(count));
  file_.read(begin + 1, targets_T.first(count));
  std::fill(inputs_T.begin() + num_targets, inputs_T.end(), 0);
  std::fill(targets_T.begin() + num_targets, targets_T.end(), -1);
  return {document, num_targets};
}

}  // namespace colossus::data
