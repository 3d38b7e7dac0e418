// Text to token ids and back, over a SentencePiece model.
//
// decode(encode(x)) == x for every byte string x: runs of valid UTF-8 go to
// SentencePiece, every other byte (and U+2581, SentencePiece's own sign for a
// space) becomes its byte piece, and decoding is by our own table. Whatever
// normalisation a given model asks for is switched off when it is loaded, since
// it would lose bytes; a model without byte pieces is refused.
//
// Not here: training a model (tokenizer_trainer.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace colossus::data {

// Immutable; every member may be called from any thread.
class Tokenizer {
 public:
  // UserError if the file is missing, is no SentencePiece model or cannot
  // encode every byte string.
  static Tokenizer from_file(const std::string& path);
  // The same from a model's bytes; `source` names them in messages.
  static Tokenizer from_bytes(std::string model, const std::string& source);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Ids are in [0, vocab_size). A model without a begin or an end token gets
  // them appended behind its own pieces.
  int64_t vocab_size() const;
  int32_t bos() const;  // begin of document
  int32_t eos() const;  // end of document

  // Neither begin nor end token is added. For much text use a TokenEncoder.
  std::vector<int32_t> encode(std::string_view text) const;

  // Special tokens decode to nothing. UserError for an id out of range.
  std::string decode(std::span<const int32_t> ids) const;

  // The bytes that one token stands for; empty for special tokens.
  const std::string& token_bytes(int32_t id) const;
  // The piece as the model writes it, for people: "▁the", "<0x0A>", "<s>".
  const std::string& piece_text(int32_t id) const;

  // The model as it was given, and its hash, which ties token files to it.
  const std::string& model_bytes() const;
  Hash128 hash() const;

  struct State;  // tokenizer_state.h, for this folder alone

 private:
  friend class TokenEncoder;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Encodes much text in one thread: remembers the tokens of recent words, which
// changes the speed and never the result. The tokenizer must outlive it.
class TokenEncoder {
 public:
  explicit TokenEncoder(const Tokenizer& tokenizer);
  ~TokenEncoder();
  TokenEncoder(TokenEncoder&&) noexcept;

  // Appends the tokens of `text` to `ids`.
  void encode(std::string_view text, std::vector<int32_t>& ids);

 private:
  struct CachedWord;

  void encode_without_space_sign(std::string_view text,
                                 std::vector<int32_t>& ids);
  void encode_valid_run(std::string_view run, std::vector<int32_t>& ids);
  void encode_word(std::string_view word, std::vector<int32_t>& ids);
  void encode_uncached(std::string_view word, std::vector<int32_t>& ids);
  void encode_bytes(std::string_view bytes, std::vector<int32_t>& ids) const;

  const Tokenizer::State& state_;
  std::vector<CachedWord> cache_;
  std::vector<int> scratch_;
};

}  // namespace colossus::data
