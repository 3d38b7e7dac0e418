#include "data/tokenize_corpus.h"

#include <atomic>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/ordered_pipeline.h"
#include "data/token_file_writer.h"

namespace colossus::data {
namespace {

constexpr size_t kBatchBytes = 256 << 10;
// A byte becomes at most one token of 4 bytes, in a vector that may be twice
// its size: 32 MiB of text in flight are under 300 MB.
constexpr size_t kMaxBytesInFlight = 32 << 20;

struct TextBatch {
  struct Document {
    Split split;
    std::string text;
  };
  std::vector<Document> documents;
  size_t num_bytes = 0;
};

struct TokenBatch {
  struct Document {
    Split split;
    int64_t num_text_bytes;
    std::vector<int32_t> tokens;
  };
  std::vector<Document> documents;
};

// Reads the documents in order; one thread.
class BatchReader {
 public:
  explicit BatchReader(const CorpusPlan& plan)
      : plan_(plan), corpus_(plan.files, plan.read) {}

  // False at the end.
  bool next(TextBatch& batch) {
    std::string text;
    while (batch.num_bytes < kBatchBytes && corpus_.next(text)) {
      const Hash128 hash = hash128(std::as_bytes(std::span(text)));
      content_.update(&hash, sizeof(hash));
      const Split split =
          plan_.split_of(corpus_.file_index(), num_documents_++, hash);
      batch.num_bytes += text.size();
      batch.documents.push_back({split, std::move(text)});
    }
    num_bytes_consumed_ = corpus_.num_bytes_consumed();
    return !batch.documents.empty();
  }

  // From any thread.
  uint64_t num_bytes_consumed() const { return num_bytes_consumed_; }

  void require_same_as(const Scan& scan) const {
    if (num_documents_ == scan.num_documents &&
        content_.digest() == scan.content) {
      return;
    }
    throw run_error(
        "the inputs changed while they were read; run the command again");
  }

 private:
  const CorpusPlan& plan_;
  Corpus corpus_;
  int64_t num_documents_ = 0;
  StreamingHash128 content_;
  std::atomic<uint64_t> num_bytes_consumed_ = 0;
};

TokenBatch tokenize_batch(const Tokenizer& tokenizer, TokenEncoder& encoder,
                          const TextBatch& batch) {
  TokenBatch result;
  for (const TextBatch::Document& document : batch.documents) {
    auto& out = result.documents.emplace_back();
    out.split = document.split;
    out.num_text_bytes = static_cast<int64_t>(document.text.size());
    if (document.split == Split::kExcluded) continue;
    out.tokens.push_back(tokenizer.bos());
    encoder.encode(document.text, out.tokens);
    out.tokens.push_back(tokenizer.eos());
  }
  return result;
}

void write_batch(const TokenBatch& batch, TokenFileWriter& train,
                 TokenFileWriter& val, DatasetInfo& info) {
  for (const TokenBatch::Document& document : batch.documents) {
    switch (document.split) {
      case Split::kTrain:
        train.add_document(document.tokens, document.num_text_bytes);
        break;
      case Split::kVal:
        val.add_document(document.tokens, document.num_text_bytes);
        break;
      case Split::kExcluded:
        ++info.num_excluded_documents;
        info.num_excluded_bytes += document.num_text_bytes;
        break;
    }
  }
}

SplitInfo split_info(const std::string& path) {
  const TokenFile file(path);
  return {file.info().num_tokens, file.info().num_documents,
          file.info().num_text_bytes, file.content_hash()};
}

}  // namespace

void tokenize_corpus(const CorpusPlan& plan, const Scan& scan,
                     const Tokenizer& tokenizer, int num_threads,
                     FileSystem& fs, const std::string& folder,
                     const PrepareWatch& watch, DatasetInfo& info) {
  const std::string train_path = join_path(folder, kTrainFile);
  const std::string val_path = join_path(folder, kValFile);
  TokenFileWriter train(fs, train_path, tokenizer.vocab_size(),
                        tokenizer.hash());
  TokenFileWriter val(fs, val_path, tokenizer.vocab_size(), tokenizer.hash());
  BatchReader reader(plan);
  const uint64_t total = total_bytes(plan.files);
  std::vector<TokenEncoder> encoders;
  for (int i = 0; i < num_threads; ++i) encoders.emplace_back(tokenizer);

  OrderedPipeline<TextBatch, TokenBatch> pipeline(
      num_threads, kMaxBytesInFlight,
      {[&](TextBatch& batch) { return reader.next(batch); },
       [](const TextBatch& batch) { return batch.num_bytes; },
       [&](TextBatch& batch, int thread) {
         return tokenize_batch(tokenizer, encoders[thread], batch);
       },
       [&](TokenBatch& batch) {
         watch.report("tokenizing", reader.num_bytes_consumed(), total);
         write_batch(batch, train, val, info);
       }});
  pipeline.run();
  reader.require_same_as(scan);
  train.finish();
  val.finish();
  info.train = split_info(train_path);
  info.val = split_info(val_path);
}

}  // namespace colossus::data
