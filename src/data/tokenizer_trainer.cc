#include "data/tokenizer_trainer.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "data/utf8.h"

namespace colossus::data {
namespace {

constexpr std::string_view kSpaceSign = "\xE2\x96\x81";
// SentencePiece's BPE trainer takes some 90 bytes of memory a byte of different
// words: these two bounds keep it under 600 MB.
constexpr size_t kMaxWordBytes = 64;
constexpr size_t kMaxBytesOfDifferentWords = 6'000'000;
// Unknown, begin, end, the 256 bytes, newline and tab.
constexpr int64_t kNumFixedPieces = 3 + 256 + 2;

using WordCounts = std::unordered_map<std::string_view, int64_t>;
using CountedWord = std::pair<std::string_view, int64_t>;

// Newline and tab are symbols of their own, and tab separates word and count on
// the way into SentencePiece; other control characters are left to byte pieces.
bool separates_words(char c) { return static_cast<unsigned char>(c) < 0x20; }

void count_words(std::string_view text, WordCounts& counts) {
  size_t i = 0;
  while (i < text.size()) {
    size_t end = i;
    while (end < text.size() && text[end] == ' ') ++end;
    while (end < text.size() && text[end] != ' ' &&
           !separates_words(text[end])) {
      ++end;
    }
    if (end - i > kMaxWordBytes) {
      end = i + utf8_cut(text.substr(i), kMaxWordBytes);
    }
    if (end == i) {
      ++i;  // a control character
      continue;
    }
    ++counts[text.substr(i, end - i)];
    i = end;
  }
}

// What SentencePiece would refuse, or turn into something else.
bool is_trainable(std::string_view word) {
  return valid_utf8_prefix(word) == word.size() &&
         word.find(kSpaceSign) == std::string_view::npos;
}

// Most frequent first, in an order that depends on nothing but the words.
std::vector<CountedWord> by_count(std::vector<CountedWord> words) {
  std::sort(words.begin(), words.end(),
            [](const CountedWord& a, const CountedWord& b) {
              return a.second != b.second ? a.second > b.second
                                          : a.first < b.first;
            });
  return words;
}

// The most frequent words, as many as the memory bound allows.
std::vector<CountedWord> frequent_words(
    const std::vector<std::string_view>& texts) {
  WordCounts counts;
  for (const std::string_view text : texts) count_words(text, counts);
  std::erase_if(counts,
                [](const auto& word) { return !is_trainable(word.first); });
  std::vector<CountedWord> words = by_count({counts.begin(), counts.end()});
  size_t num_bytes = 0;
  size_t num_kept = 0;
  while (num_kept < words.size() && num_bytes < kMaxBytesOfDifferentWords) {
    num_bytes += words[num_kept++].first.size();
  }
  words.resize(num_kept);
  return words;
}

using Characters = std::unordered_set<std::string_view>;

// The most frequent characters, as many as may have pieces of their own: half
// of what the model learns. (SentencePiece's own character_coverage cannot go
// under 0.98, too much for a small vocabulary of a text in many scripts.)
Characters frequent_characters(const std::vector<CountedWord>& words,
                               int64_t vocab_size) {
  WordCounts counts;
  for (auto [word, count] : words) {
    while (!word.empty()) {
      const size_t size = utf8_character_size(word);
      counts[word.substr(0, size)] += count;
      word.remove_prefix(size);
    }
  }
  const auto budget = static_cast<size_t>((vocab_size - kNumFixedPieces) / 2);
  const std::vector<CountedWord> sorted =
      by_count({counts.begin(), counts.end()});
  Characters kept;
  for (size_t i = 0; i < std::min(budget, sorted.size()); ++i) {
    kept.insert(sorted[i].first);
  }
  return kept;
}

// The words, cut wherever they have a character that is not in `kept`.
std::vector<CountedWord> without_rare_characters(
    const std::vector<CountedWord>& words, const Characters& kept) {
  WordCounts counts;
  for (const auto& [word, count] : words) {
    size_t start = 0;
    size_t i = 0;
    while (i < word.size()) {
      const size_t size = utf8_character_size(word.substr(i));
      if (!kept.contains(word.substr(i, size))) {
        if (i > start) counts[word.substr(start, i - start)] += count;
        start = i + size;
      }
      i += size;
    }
    if (i > start) counts[word.substr(start)] += count;
  }
  return by_count({counts.begin(), counts.end()});
}

// Feeds "word TAB count" lines.
class WordIterator : public sentencepiece::SentenceIterator {
 public:
  explicit WordIterator(const std::vector<CountedWord>& words) : words_(words) {
    set_line();
  }
  bool done() const override { return next_ >= words_.size(); }
  void Next() override {
    ++next_;
    set_line();
  }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  void set_line() {
    if (done()) return;
    const auto& [word, count] = words_[next_];
    line_ = fmt::format("{}\t{}", word, count);
  }

  const std::vector<CountedWord>& words_;
  size_t next_ = 0;
  std::string line_;
};

}  // namespace

void check_vocab_size(int64_t vocab_size) {
  if (vocab_size >= kMinVocabSize && vocab_size <= kMaxVocabSize) return;
  throw user_error(
      "a vocabulary of {} tokens: must be from {} (256 bytes, special tokens "
      "and some characters) to {}",
      vocab_size, kMinVocabSize, kMaxVocabSize);
}

std::string train_tokenizer(const std::vector<std::string_view>& texts,
                            int64_t vocab_size) {
  check_vocab_size(vocab_size);
  std::vector<CountedWord> words = frequent_words(texts);
  words =
      without_rare_characters(words, frequent_characters(words, vocab_size));
  if (words.empty()) {
    throw user_error(
        "no word to train a tokenizer on: the training documents hold no text");
  }
  WordIterator iterator(words);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      {{"model_type", "bpe"},
       {"vocab_size", std::to_string(vocab_size)},
       {"hard_vocab_limit", "false"},
       {"character_coverage", "1.0"},
       {"byte_fallback", "true"},
       {"split_digits", "true"},
       {"allow_whitespace_only_pieces", "true"},
       {"normalization_rule_name", "identity"},
       {"add_dummy_prefix", "false"},
       {"remove_extra_whitespaces", "false"},
       {"user_defined_symbols", "\n,\t"},
       {"input_format", "tsv"},
       {"minloglevel", "3"}},
      &iterator, &model);
  if (!status.ok()) {
    throw user_error(
        "SentencePiece could not train a tokenizer of {} tokens: {}",
        vocab_size, status.ToString());
  }
  return model;
}

}  // namespace colossus::data
