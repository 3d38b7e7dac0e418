// What Tokenizer and TokenEncoder share. Inside the data folder only: it pulls
// in SentencePiece.
#pragma once

#include <sentencepiece_processor.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"

namespace colossus::data {

// U+2581, which SentencePiece writes for a space.
inline constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

struct Tokenizer::State {
  sentencepiece::SentencePieceProcessor processor;
  std::string model;
  Hash128 hash;
  std::vector<std::string> pieces;       // by id
  std::vector<std::string> token_bytes;  // by id
  std::array<int32_t, 256> byte_ids{};
  int32_t bos = -1;
  int32_t eos = -1;
  // No piece has a space behind another byte: text may be cut before a run of
  // spaces.
  bool splits_at_spaces = false;
  // No piece holds this byte and another one: text may be cut around it.
  std::array<bool, 256> splits_at{};
};

}  // namespace colossus::data
