// The second pass of `prepare`: all documents become tokens, on several
// threads, in the order of the input. Inside this folder only.
#pragma once

#include <string>

#include "base/file_system.h"
#include "data/dataset.h"
#include "data/prepare_watch.h"
#include "data/scan.h"
#include "data/tokenizer.h"

namespace colossus::data {

// Writes the token files of both splits into `folder` and sets what
// dataset.json says of them in `info`. RunError if the documents are not those
// of `scan`.
void tokenize_corpus(const CorpusPlan& plan, const Scan& scan,
                     const Tokenizer& tokenizer, int num_threads,
                     FileSystem& fs, const std::string& folder,
                     const PrepareWatch& watch, DatasetInfo& info);

}  // namespace colossus::data
