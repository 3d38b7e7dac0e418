// Writes a token file (token_file.h) front to back in bounded memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"
#include "data/token_file.h"
#include "data/token_file_layout.h"

namespace colossus::data {

// One owner, one thread. The file appears under its name when `finish` returns;
// until then its bytes lie in PATH.partial and PATH.documents, which are taken
// away by `finish` and by the next writer of the same path.
class TokenFileWriter {
 public:
  TokenFileWriter(FileSystem& fs, const std::string& path, int64_t vocab_size,
                  const Hash128& tokenizer_hash);

  // `tokens` holds the whole document, begin and end token included.
  void add_document(std::span<const int32_t> tokens, int64_t num_text_bytes);

  // Makes the file durable and visible. Nothing may be added afterwards.
  TokenFileInfo finish();

 private:
  void append(std::span<const std::byte> bytes);
  void end_block();
  void append_table();
  void append_table_entry(WritableFile& file) const;
  void append_footer();

  FileSystem& fs_;
  const std::string path_;
  TokenFileInfo info_;
  std::unique_ptr<WritableFile> file_;
  std::unique_ptr<WritableFile> documents_;
  std::vector<std::byte> block_;  // not yet written
  std::vector<std::byte> packed_;
  std::vector<token_file_layout::Checksum> checksums_;
  uint64_t num_bytes_ = 0;
};

}  // namespace colossus::data
