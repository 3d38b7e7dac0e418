// The folder that `colossus data prepare` writes and a run reads: a tokenizer,
// a token file for each split, and dataset.json, which is written last and ties
// them together (docs/formats/dataset.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"
#include "data/token_file.h"
#include "data/tokenizer.h"

namespace colossus::data {

inline constexpr const char* kTokenizerFile = "tokenizer.model";
inline constexpr const char* kTrainFile = "train.tokens";
inline constexpr const char* kValFile = "val.tokens";
inline constexpr const char* kDatasetFile = "dataset.json";

struct SplitInfo {
  int64_t num_tokens = 0;  // begin and end tokens included
  int64_t num_documents = 0;
  int64_t num_text_bytes = 0;
  Hash128 content_hash;  // TokenFile::content_hash
};

struct DatasetInfo {
  struct Source {
    std::string name;
    int64_t num_bytes = 0;
    bool validation = false;
  };

  int64_t vocab_size = 0;
  Hash128 tokenizer_hash;
  SplitInfo train;
  SplitInfo val;
  int64_t num_excluded_documents = 0;
  int64_t num_excluded_bytes = 0;
  std::vector<Source> sources;
  std::string options;  // a JSON object: what decides the content
};

void write_dataset_info(FileSystem& fs, const std::string& folder,
                        const DatasetInfo& info);
// UserError if there is none, CorruptFile if it cannot be read.
DatasetInfo read_dataset_info(const std::string& folder);

// Samplers and windows point into `train` and `val`: the object must stay where
// it is while they live.
struct Dataset {
  DatasetInfo info;
  Tokenizer tokenizer;
  TokenFile train;
  TokenFile val;
};

// Checks that the files belong together. Damage inside them is found when it is
// read, or by TokenFile::verify.
Dataset open_dataset(const std::string& folder);

}  // namespace colossus::data
