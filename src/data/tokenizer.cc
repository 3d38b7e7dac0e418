#include "data/tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/file_system.h"
#include "data/tokenizer_state.h"
#include "data/utf8.h"

namespace colossus::data {
namespace {

// Protobuf merges a repeated sub-message field by field and the last scalar
// wins, so appending these bytes to a model overrides its normaliser:
// normalizer_spec (field 3) { precompiled_charmap (2) = "", add_dummy_prefix
// (3) = false, remove_extra_whitespaces (4) = false, escape_whitespaces (5) =
// true }.
constexpr std::string_view kExactNormalizer{
    "\x1A\x08\x12\x00\x18\x00\x20\x00\x28\x01", 10};

std::string replace_space_signs(std::string_view piece) {
  std::string bytes;
  while (!piece.empty()) {
    if (piece.starts_with(kSpaceSign)) {
      bytes += ' ';
      piece.remove_prefix(kSpaceSign.size());
    } else {
      bytes += piece.front();
      piece.remove_prefix(1);
    }
  }
  return bytes;
}

// Whether spaces stand only at the front of `bytes`.
bool spaces_only_in_front(std::string_view bytes) {
  const size_t word = std::min(bytes.find_first_not_of(' '), bytes.size());
  return bytes.find(' ', word) == std::string_view::npos;
}

void find_byte_ids(const std::string& source, Tokenizer::State& state) {
  for (int byte = 0; byte < 256; ++byte) {
    const int id = state.processor.PieceToId(fmt::format("<0x{:02X}>", byte));
    if (!state.processor.IsByte(id)) {
      throw user_error(
          "{}: this tokenizer has no piece for the byte 0x{:02X}, so it cannot "
          "keep every text; take a model trained with byte_fallback, or leave "
          "--tokenizer away to train one",
          source, byte);
    }
    state.byte_ids[byte] = id;
  }
}

void describe_pieces(Tokenizer::State& state) {
  const auto& processor = state.processor;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    state.pieces.push_back(processor.IdToPiece(id));
    const bool special = processor.IsControl(id) || processor.IsUnknown(id);
    state.token_bytes.push_back(
        special ? "" : replace_space_signs(state.pieces.back()));
  }
  for (int byte = 0; byte < 256; ++byte) {
    state.token_bytes[state.byte_ids[byte]] =
        std::string(1, static_cast<char>(byte));
  }
}

int32_t append_special(const std::string& piece, Tokenizer::State& state) {
  state.pieces.push_back(piece);
  state.token_bytes.emplace_back();
  return static_cast<int32_t>(state.pieces.size()) - 1;
}

void find_special_ids(Tokenizer::State& state) {
  state.bos = state.processor.bos_id();
  if (state.bos < 0) state.bos = append_special("<begin>", state);
  state.eos = state.processor.eos_id();
  if (state.eos < 0) state.eos = append_special("<end>", state);
}

// Text may be encoded in parts, with the same result, wherever no piece
// reaches over the place.
void find_boundaries(Tokenizer::State& state) {
  state.splits_at_spaces = std::all_of(
      state.token_bytes.begin(), state.token_bytes.end(), spaces_only_in_front);
  for (const char c : {'\n', '\t'}) {
    auto crosses = [c](const std::string& bytes) {
      return bytes.size() > 1 && bytes.find(c) != std::string::npos;
    };
    state.splits_at[static_cast<uint8_t>(c)] = std::none_of(
        state.token_bytes.begin(), state.token_bytes.end(), crosses);
  }
}

// A last guard against models of a kind that nobody thought of.
void require_exact(const std::string& source, const Tokenizer& tokenizer) {
  std::string probe = "The  end \n\n\tof  \xE2\x96\x81 \xC3\xA9 <s> 12 ";
  for (int byte = 0; byte < 256; ++byte) probe += static_cast<char>(byte);
  if (tokenizer.decode(tokenizer.encode(probe)) != probe) {
    throw user_error(
        "{}: text encoded with this tokenizer does not decode to itself; leave "
        "--tokenizer away to train one",
        source);
  }
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_file(const std::string& path) {
  return from_bytes(read_file(path), path);
}

Tokenizer Tokenizer::from_bytes(std::string model, const std::string& source) {
  auto state = std::make_unique<State>();
  const std::string exact = model + std::string(kExactNormalizer);
  const auto status = state->processor.LoadFromSerializedProto(exact);
  if (!status.ok() || state->processor.GetPieceSize() == 0) {
    throw user_error("{}: not a SentencePiece model ({})", source,
                     status.ok() ? "it has no pieces" : status.ToString());
  }
  state->model = std::move(model);
  state->hash = hash128(std::as_bytes(std::span(state->model)));
  find_byte_ids(source, *state);
  describe_pieces(*state);
  find_special_ids(*state);
  find_boundaries(*state);
  Tokenizer tokenizer(std::move(state));
  require_exact(source, tokenizer);
  return tokenizer;
}

int64_t Tokenizer::vocab_size() const {
  return static_cast<int64_t>(state_->pieces.size());
}
int32_t Tokenizer::bos() const { return state_->bos; }
int32_t Tokenizer::eos() const { return state_->eos; }
const std::string& Tokenizer::model_bytes() const { return state_->model; }
Hash128 Tokenizer::hash() const { return state_->hash; }

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  TokenEncoder(*this).encode(text, ids);
  return ids;
}

const std::string& Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    throw user_error("token {} is not in the vocabulary of {} tokens", id,
                     vocab_size());
  }
  return state_->token_bytes[id];
}

const std::string& Tokenizer::piece_text(int32_t id) const {
  token_bytes(id);  // checks the range
  return state_->pieces[id];
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (const int32_t id : ids) bytes += token_bytes(id);
  return bytes;
}

}  // namespace colossus::data
