#include "data/scan.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace colossus::data {
namespace {

constexpr int64_t kFewDocuments = 16;
constexpr int64_t kPartsOfAShortCorpus = 64;

// The training document with the smallest hash: it depends on content alone.
struct SmallestHash {
  int64_t number = -1;
  Hash128 hash;
  void offer(int64_t other_number, const Hash128& other) {
    if (number >= 0 && hash <= other) return;
    number = other_number;
    hash = other;
  }
};

void scan_document(const std::string& text, size_t file_index,
                   const CorpusPlan& plan, TextSample* sample, Scan& scan,
                   StreamingHash128& content, SmallestHash& smallest) {
  const Hash128 hash = hash128(std::as_bytes(std::span(text)));
  content.update(&hash, sizeof(hash));
  const int64_t number = scan.num_documents++;
  scan.num_text_bytes += static_cast<int64_t>(text.size());
  switch (plan.split_of(file_index, number, hash)) {
    case Split::kTrain:
      ++scan.num_train_documents;
      if (sample != nullptr) sample->add(text, number);
      smallest.offer(number, hash);
      break;
    case Split::kVal:
      ++scan.num_val_documents;
      break;
    case Split::kExcluded:
      break;
  }
}

void force_a_val_document(int64_t number, TextSample* sample, Scan& scan) {
  scan.forced_val_document = number;
  --scan.num_train_documents;
  ++scan.num_val_documents;
  if (sample != nullptr) sample->remove_document(number);
}

Scan scan_once(const CorpusPlan& plan, TextSample* sample,
               const PrepareWatch& watch,
               std::vector<std::string>& empty_files) {
  Scan scan;
  scan.max_document_bytes = plan.read.max_document_bytes;
  StreamingHash128 content;
  SmallestHash smallest;
  Corpus corpus(plan.files, plan.read);
  const uint64_t total = total_bytes(plan.files);
  std::string text;
  while (corpus.next(text)) {
    scan_document(text, corpus.file_index(), plan, sample, scan, content,
                  smallest);
    watch.report("reading", corpus.num_bytes_consumed(), total);
  }
  scan.content = content.digest();
  empty_files = corpus.empty_files();
  if (plan.rule.by_content() && scan.num_val_documents == 0 &&
      scan.num_train_documents >= 2) {
    force_a_val_document(smallest.number, sample, scan);
  }
  return scan;
}

void require_splits(const Scan& scan, const CorpusPlan& plan) {
  if (scan.num_documents == 0) {
    throw user_error("no text in the {} input files ({}{})", plan.files.size(),
                     plan.files.empty() ? "none" : plan.files[0].name,
                     plan.files.size() > 1 ? ", ..." : "");
  }
  if (scan.num_train_documents == 0) {
    throw user_error(
        "none of the {} documents is left to train on; see --val-every, "
        "--val-fraction and --exclude-every",
        scan.num_documents);
  }
  const bool wanted = plan.rule.val_every.modulus > 0 ||
                      plan.rule.val_fraction > 0 ||
                      plan.num_train_files < plan.files.size();
  if (wanted && scan.num_val_documents == 0) {
    throw user_error(
        "none of the {} documents is left to validate on; lower "
        "--max-document-bytes, give --val-files, or do without validation by "
        "--val-fraction 0",
        scan.num_documents);
  }
}

}  // namespace

void apply_scan(const Scan& scan, CorpusPlan& plan) {
  plan.read.max_document_bytes = scan.max_document_bytes;
  plan.forced_val_document = scan.forced_val_document;
}

Scan scan_corpus(CorpusPlan& plan, bool may_cut_shorter, TextSample* sample,
                 const PrepareWatch& watch) {
  std::vector<std::string> empty_files;
  Scan scan = scan_once(plan, sample, watch, empty_files);
  for (const std::string& name : empty_files) {
    watch.note(name + ": empty, skipped");
  }
  const bool few = plan.rule.by_content() && scan.num_documents > 0 &&
                   scan.num_documents < kFewDocuments;
  if (may_cut_shorter && few) {
    const int64_t shorter =
        std::clamp(scan.num_text_bytes / kPartsOfAShortCorpus,
                   kMinDocumentBytes, plan.read.max_document_bytes);
    plan.read.max_document_bytes = shorter;
    if (sample != nullptr) sample->clear();
    scan = scan_once(plan, sample, watch, empty_files);
    watch.note(fmt::format(
        "few documents: those over {} are cut, so that some can validate",
        human_bytes(static_cast<uint64_t>(shorter))));
  }
  require_splits(scan, plan);
  apply_scan(scan, plan);
  return scan;
}

}  // namespace colossus::data
