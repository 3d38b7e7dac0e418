// TokenEncoder: cuts text where no piece can reach over, and encodes the parts.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "data/tokenizer_state.h"
#include "data/tokenizer.h"
#include "data/utf8.h"

namespace colossus::data {
namespace {

// SentencePiece takes some 100 bytes of memory a character of what it encodes
// at once: longer runs without a boundary (a page of Chinese, base64) are cut.
constexpr size_t kMaxWordBytes = 4096;

constexpr size_t kCacheSize = size_t{1} << 15;  // a power of two
constexpr size_t kMaxCachedBytes = 31;
constexpr size_t kMaxCachedIds = 8;

}  // namespace

struct TokenEncoder::CachedWord {
  uint8_t size = 0;  // 0 = free
  uint8_t num_ids = 0;
  char bytes[kMaxCachedBytes];
  int32_t ids[kMaxCachedIds];

  bool holds(std::string_view word) const {
    return size == word.size() && std::memcmp(bytes, word.data(), size) == 0;
  }
};

TokenEncoder::TokenEncoder(const Tokenizer& tokenizer)
    : state_(*tokenizer.state_) {}
TokenEncoder::~TokenEncoder() = default;
TokenEncoder::TokenEncoder(TokenEncoder&&) noexcept = default;

void TokenEncoder::encode(std::string_view text, std::vector<int32_t>& ids) {
  while (true) {
    const size_t sign = text.find(kSpaceSign);
    encode_without_space_sign(text.substr(0, sign), ids);
    if (sign == std::string_view::npos) return;
    encode_bytes(kSpaceSign, ids);
    text.remove_prefix(sign + kSpaceSign.size());
  }
}

void TokenEncoder::encode_without_space_sign(std::string_view text,
                                             std::vector<int32_t>& ids) {
  while (!text.empty()) {
    const size_t run = valid_utf8_prefix(text);
    encode_valid_run(text.substr(0, run), ids);
    if (run == text.size()) return;
    encode_bytes(text.substr(run, 1), ids);
    text.remove_prefix(run + 1);
  }
}

void TokenEncoder::encode_bytes(std::string_view bytes,
                                std::vector<int32_t>& ids) const {
  for (const char c : bytes) {
    ids.push_back(state_.byte_ids[static_cast<uint8_t>(c)]);
  }
}

void TokenEncoder::encode_valid_run(std::string_view run,
                                    std::vector<int32_t>& ids) {
  auto is_boundary = [this](char c) {
    return state_.splits_at[static_cast<uint8_t>(c)];
  };
  while (!run.empty()) {
    size_t end = 0;
    if (is_boundary(run[0])) {
      end = 1;
    } else {
      while (end < run.size() && run[end] == ' ') ++end;
      while (end < run.size() && !is_boundary(run[end]) &&
             !(run[end] == ' ' && state_.splits_at_spaces)) {
        ++end;
      }
    }
    if (end > kMaxWordBytes) end = utf8_cut(run, kMaxWordBytes);
    encode_word(run.substr(0, end), ids);
    run.remove_prefix(end);
  }
}

void TokenEncoder::encode_word(std::string_view word,
                               std::vector<int32_t>& ids) {
  if (word.size() > kMaxCachedBytes) return encode_uncached(word, ids);
  if (cache_.empty()) cache_.resize(kCacheSize);
  const uint64_t hash =
      hash128(std::as_bytes(std::span(word.data(), word.size()))).low;
  CachedWord& entry = cache_[hash & (kCacheSize - 1)];
  if (entry.holds(word)) {
    ids.insert(ids.end(), entry.ids, entry.ids + entry.num_ids);
    return;
  }
  const size_t before = ids.size();
  encode_uncached(word, ids);
  const size_t num_ids = ids.size() - before;
  if (num_ids > kMaxCachedIds) return;
  entry.size = static_cast<uint8_t>(word.size());
  entry.num_ids = static_cast<uint8_t>(num_ids);
  std::memcpy(entry.bytes, word.data(), word.size());
  std::copy(ids.begin() + before, ids.end(), entry.ids);
}

void TokenEncoder::encode_uncached(std::string_view word,
                                   std::vector<int32_t>& ids) {
  scratch_.clear();
  const auto status =
      state_.processor.Encode({word.data(), word.size()}, &scratch_);
  COLOSSUS_CHECK(status.ok(), "SentencePiece: {}", status.ToString());
  ids.insert(ids.end(), scratch_.begin(), scratch_.end());
}

}  // namespace colossus::data
