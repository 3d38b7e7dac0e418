// Which files a corpus consists of: files, folders, globs and standard input,
// turned into a list in a fixed order, each with its format by its name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"
#include "data/byte_source.h"

namespace colossus::data {

enum class TextFormat {
  kText,   // .txt .md: one text
  kJsonl,  // .jsonl: a JSON object a line, its text in a named field
};

struct FileFormat {
  TextFormat text = TextFormat::kText;
  Compression compression = Compression::kNone;
};

struct InputFile {
  std::string path;  // what to open
  std::string name;  // how messages and records call it
  FileFormat format;
  uint64_t num_bytes = 0;            // on disk
  int64_t modified_nanoseconds = 0;  // since 1970
  Hash128 content;                   // of standard input alone
};

struct InputList {
  std::vector<InputFile> files;
  int64_t num_skipped = 0;    // in folders, of no known format
  std::string a_skipped_one;  // the first of them
};

// By the end of a name: .txt .md .jsonl, each also with .gz or .zst behind.
// False if it is none of them.
bool format_of_name(const std::string& name, FileFormat& format);

// The names that format_of_name knows, for messages.
std::string known_formats();

// Files in the order given; those of a folder (with all folders below it, and
// without names that start with a dot) and of a glob sorted by path. UserError
// for a file that is missing, unreadable or given by name and of no known
// format, and for a pattern that fits nothing. "-" is not expanded here.
InputList list_inputs(const std::vector<std::string>& inputs);

}  // namespace colossus::data
