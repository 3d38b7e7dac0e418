// What `prepare` remembers between calls, in OUT/prepare.json: which inputs and
// options it worked on, and what its first pass found. Inside this folder only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"
#include "data/inputs.h"
#include "data/prepare.h"
#include "data/scan.h"

namespace colossus::data {

struct PrepareState {
  Hash128 fingerprint;
  Hash128 tokenizer_hash;
  Scan scan;
};

// The options that decide the content, as a JSON object.
std::string options_json(const PrepareOptions& options);

// Of inputs (names, sizes, times of change; of standard input its content) and
// options.
Hash128 fingerprint_of(const PrepareOptions& options,
                       const std::vector<InputFile>& files,
                       size_t num_train_files);

void write_prepare_state(FileSystem& fs, const std::string& folder,
                         const PrepareState& state);
// Nothing if there is none or it cannot be read: then all is done again.
std::optional<PrepareState> read_prepare_state(const std::string& folder);

}  // namespace colossus::data
