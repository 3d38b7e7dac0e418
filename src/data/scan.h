// The first pass of `prepare`: counts the documents, checks that all can be
// read, samples those of training. Inside this folder only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "data/corpus.h"
#include "data/prepare_watch.h"
#include "data/split_rule.h"
#include "data/tokenizer_trainer.h"

namespace colossus::data {

// Which documents there are and where each of them goes.
struct CorpusPlan {
  std::vector<InputFile> files;  // those of training, then of validation
  size_t num_train_files = 0;
  ReadOptions read;
  SplitRule rule;
  // This one document validates although its hash says otherwise, because no
  // other does; -1 = none.
  int64_t forced_val_document = -1;

  Split split_of(size_t file_index, int64_t number, const Hash128& hash) const {
    if (file_index >= num_train_files) return Split::kVal;
    if (number == forced_val_document) return Split::kVal;
    return rule.split_of(number, hash);
  }
};

// What the first pass finds.
struct Scan {
  int64_t max_document_bytes = 0;  // that documents were cut at
  int64_t num_documents = 0;
  int64_t num_text_bytes = 0;
  int64_t num_train_documents = 0;
  int64_t num_val_documents = 0;
  int64_t forced_val_document = -1;
  Hash128 content;  // of all documents in order
};

// Adds the training documents to `sample` unless it is null, and sets what it
// finds out in `plan`: the length to cut at, if `may_cut_shorter`, and the
// forced document. UserError if nothing is left for a split that is wanted.
Scan scan_corpus(CorpusPlan& plan, bool may_cut_shorter, TextSample* sample,
                 const PrepareWatch& watch);

// As after a scan that found `scan`.
void apply_scan(const Scan& scan, CorpusPlan& plan);

}  // namespace colossus::data
