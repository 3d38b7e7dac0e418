// Trains a SentencePiece BPE model whose tokenizer keeps every byte string.
//
// The model sees words (a run of spaces and what follows it) with their counts,
// so its memory depends on the number of different words, which is bounded, and
// not on the size of the text. Newline and tab are symbols of their own. Rare
// characters, where a text has more kinds than half the vocabulary, are left to
// byte pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace colossus::data {

inline constexpr int64_t kMinVocabSize = 300;
inline constexpr int64_t kMaxVocabSize = 1'000'000;

// UserError unless it is within these bounds.
void check_vocab_size(int64_t vocab_size);

// Returns the bytes of a `.model` file. It may have fewer pieces than
// `vocab_size` if the text has too little to learn. Deterministic. UserError
// if `vocab_size` is out of bounds or the text holds no word.
std::string train_tokenizer(const std::vector<std::string_view>& texts,
                            int64_t vocab_size);

// A sample of a stream of documents in bounded memory: blocks of up to 64 KiB,
// of which each is kept or not by a hash of its number, the share of kept
// blocks halved whenever they outgrow the limit.
class TextSample {
 public:
  explicit TextSample(size_t max_bytes) : max_bytes_(max_bytes) {}

  void add(std::string_view document, int64_t document_number);
  void clear() { *this = TextSample(max_bytes_); }
  // Drops the blocks of one document.
  void remove_document(int64_t document_number);

  std::vector<std::string_view> texts() const;
  size_t num_bytes() const { return num_bytes_; }

 private:
  struct Block {
    uint64_t hash;
    int64_t document_number;
    std::string text;
  };

  void add_block(std::string_view text, int64_t document_number);
  void thin_out();

  size_t max_bytes_;
  size_t num_bytes_ = 0;
  uint64_t num_blocks_seen_ = 0;
  uint64_t max_hash_ = ~uint64_t{0};
  std::vector<Block> blocks_;
};

}  // namespace colossus::data
