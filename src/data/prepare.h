// `colossus data prepare` as a function: texts in, a dataset folder out
// (dataset.h).
//
// Two passes over the input, each in bounded memory: the first counts, checks
// and samples the training documents for the tokenizer; the second tokenizes on
// all cores. The bytes written depend on inputs and options alone, not on the
// threads. The tokenizer sees training documents only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "data/dataset.h"
#include "data/document_reader.h"

namespace colossus::data {

struct PrepareProgress {
  std::string stage;             // "reading", "training tokenizer", ...
  uint64_t num_bytes_done = 0;   // of the input files, as they lie on disk
  uint64_t num_bytes_total = 0;  // 0 where a stage has no measure
};

struct PrepareOptions {
  std::vector<std::string> inputs;      // files, folders, globs, "-"
  std::vector<std::string> val_inputs;  // validation of its own; then
                                        // val_every and val_fraction are unused
  std::string out;
  int64_t vocab_size = 8192;  // of the tokenizer to train
  std::string tokenizer;      // an existing .model instead of training one
  std::string stdin_format = "txt";  // as the ending of a file's name

  // read.max_document_bytes 0 = 1 MiB; but where few documents are to be split
  // by content, as one book in one file, short enough for some 64 of them.
  ReadOptions read;
  double val_fraction = 0.05;
  std::string val_every;      // "N:K", see split_rule.h
  std::string exclude_every;  // "N:K": documents that nothing may see

  int num_threads = 0;  // 0 = one a core
  FileSystem* fs = &real_file_system();
  const std::atomic<bool>* stop = nullptr;  // looked at between documents
  std::function<void(const PrepareProgress&)> on_progress;  // often; one thread
  std::function<void(const std::string&)> on_note;  // what a person should know

  PrepareOptions() { read.max_document_bytes = 0; }
};

enum class PrepareOutcome {
  kDone,
  kUpToDate,  // all was there already
  kStopped,   // finished stages are kept for the next call
};

// UserError for options and inputs, CorruptFile for damaged compressed input,
// RunError if the inputs change while they are read or the disk is full.
PrepareOutcome prepare(const PrepareOptions& options);

}  // namespace colossus::data
