// The JSONL DocumentReader: one JSON object a line. Inside the data folder
// only.
#pragma once

#include <memory>
#include <string>

#include "data/document_reader.h"

namespace colossus::data {

std::unique_ptr<DocumentReader> make_jsonl_reader(ByteSource& source,
                                                  const std::string& name,
                                                  const ReadOptions& options);

}  // namespace colossus::data
