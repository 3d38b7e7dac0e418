#include "cli/training_data.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "base/temporary_folder.h"
#include "data/corpus.h"
#include "data/document_windows.h"
#include "data/inputs.h"
#include "data/sampler.h"
#include "data/token_file.h"
#include "data/token_file_writer.h"
#include "data/tokenizer.h"

namespace colossus::cli {
namespace {

std::string file_in(const std::string& folder, const char* name) {
  const std::string path = join_path(folder, name);
  if (!path_exists(path)) {
    throw user_error(
        "{}: no such file; data.path must be a folder that `colossus data "
        "prepare TEXTS --out {}` wrote",
        path, folder);
  }
  return path;
}

std::shared_ptr<const data::Tokenizer> open_tokenizer(
    const config::Config& config) {
  const std::string path = file_in(config.data.path, "tokenizer.model");
  auto tokenizer =
      std::make_shared<data::Tokenizer>(data::Tokenizer::from_file(path));
  if (tokenizer->vocab_size() != config.model.vocab_size) {
    throw user_error(
        "model.vocab_size is {} and {} has {} tokens; set model.vocab_size = "
        "{}, or prepare the data again with --vocab-size {}",
        config.model.vocab_size, path, tokenizer->vocab_size(),
        tokenizer->vocab_size(), config.model.vocab_size);
  }
  return tokenizer;
}

std::shared_ptr<const data::TokenFile> open_tokens(
    const std::string& path, const data::Tokenizer& tokenizer) {
  auto tokens = std::make_shared<data::TokenFile>(path);
  if (tokens->info().tokenizer_hash != tokenizer.hash()) {
    throw user_error(
        "{}: was written with another tokenizer than the one beside it; run "
        "`colossus data prepare` again",
        path);
  }
  return tokens;
}

// Windows over a token file, which the set keeps open.
EvalInputs eval_inputs(std::shared_ptr<const data::TokenFile> tokens,
                       int64_t seq_len) {
  auto windows = std::make_shared<data::DocumentWindows>(*tokens, seq_len);
  EvalInputs inputs;
  inputs.num_documents = tokens->info().num_documents;
  inputs.set.num_windows = windows->size();
  inputs.set.total_tokens = windows->num_targets();
  inputs.set.total_bytes = tokens->info().num_text_bytes;
  inputs.set.fill = [tokens, windows, seq_len](int64_t index, int32_t* in,
                                               int32_t* out) {
    const auto T = static_cast<size_t>(seq_len);
    const auto window = windows->fill(index, {in, T}, {out, T});
    std::replace(out + window.num_targets, out + T, -1, 0);  // not scored
    return window.num_targets;
  };
  return inputs;
}

EvalInputs validation_of(const config::Config& config,
                         const data::Tokenizer& tokenizer) {
  const std::string path = join_path(config.data.path, "val.tokens");
  if (!path_exists(path)) return {};
  return eval_inputs(open_tokens(path, tokenizer), config.run.seq_len);
}

std::string digest_of(const data::TokenFile& tokens,
                      const data::Tokenizer& tokenizer) {
  const std::string text = tokens.content_hash().hex() + tokenizer.hash().hex();
  return hash128(std::as_bytes(std::span(text.data(), text.size()))).hex();
}

void tokenize_into(const std::string& path,
                   const std::vector<std::string>& texts,
                   const std::string& text_field,
                   const data::Tokenizer& tokenizer) {
  const data::InputList list = data::list_inputs(texts);
  data::ReadOptions options;
  options.text_field = text_field;
  options.keep_invalid_utf8 = true;
  data::Corpus corpus(list.files, options);
  data::TokenEncoder encoder(tokenizer);
  data::TokenFileWriter writer(real_file_system(), path, tokenizer.vocab_size(),
                               tokenizer.hash());
  std::string document;
  std::vector<int32_t> tokens;
  while (corpus.next(document)) {
    tokens = {tokenizer.bos()};
    encoder.encode(document, tokens);
    tokens.push_back(tokenizer.eos());
    writer.add_document(tokens, static_cast<int64_t>(document.size()));
  }
  writer.finish();
}

}  // namespace

TrainingInputs open_training_inputs(const config::Config& config) {
  TrainingInputs inputs;
  inputs.tokenizer = open_tokenizer(config);
  const auto tokens =
      open_tokens(file_in(config.data.path, "train.tokens"), *inputs.tokenizer);
  const auto sampler = std::make_shared<data::Sampler>(
      *tokens, static_cast<uint64_t>(config.run.seed), config.run.seq_len,
      config.run.global_batch_size(), config.run.num_shards);
  const auto T = static_cast<size_t>(config.run.seq_len);
  inputs.data.batches = [tokens, sampler, T](int64_t step, int64_t shard,
                                             int64_t row, int32_t* in,
                                             int32_t* out) {
    sampler->fill(step - 1, shard, row, {in, T}, {out, T});  // from 0
  };
  inputs.data.validation = validation_of(config, *inputs.tokenizer).set;
  inputs.data.digest = digest_of(*tokens, *inputs.tokenizer);
  return inputs;
}

EvalInputs open_validation(const config::Config& config) {
  EvalInputs inputs = validation_of(config, *open_tokenizer(config));
  if (inputs.set.num_windows == 0) {
    throw user_error(
        "{}: holds no held-out documents; name texts to evaluate on",
        config.data.path);
  }
  return inputs;
}

EvalInputs open_texts(const std::vector<std::string>& texts,
                      const std::string& text_field,
                      const data::Tokenizer& tokenizer, int64_t seq_len) {
  const TemporaryFolder folder;
  const std::string path = folder / "eval.tokens";
  tokenize_into(path, texts, text_field, tokenizer);
  // The mapped file lives on when its name is gone; the folder goes now.
  return eval_inputs(std::make_shared<data::TokenFile>(path), seq_len);
}

}  // namespace colossus::cli
