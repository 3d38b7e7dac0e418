// A file of tokens: all documents one after the other, each as begin token,
// text, end token, with a table of where they lie. docs/formats/token_file.md
// describes the bytes.
//
// Reading maps the file; every block of 1 MiB is checked against its checksum
// the first time it is touched, so that nothing unchecked is ever returned.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"

namespace colossus::data {

// What both ends of a token file say of the whole.
struct TokenFileInfo {
  int32_t token_width = 2;  // bytes of a token: 2 or 4
  int64_t vocab_size = 0;
  int64_t num_tokens = 0;  // begin and end tokens included
  int64_t num_documents = 0;
  int64_t num_text_bytes = 0;
  Hash128 tokenizer_hash;
};

struct DocumentBounds {
  int64_t token_begin = 0;  // its begin token
  int64_t token_end = 0;    // behind its end token
  int64_t num_text_bytes = 0;
  int64_t num_tokens() const { return token_end - token_begin; }
};

// 2 where ids fit, else 4.
int32_t token_width_of(int64_t vocab_size);

// Any member may be called from any thread. CorruptFile, naming file and
// offset, for damage; UserError if the file is missing or of another version.
class TokenFile {
 public:
  // Checks both ends of the file and its size.
  explicit TokenFile(const std::string& path);
  // The same over bytes in memory, which must outlive it.
  TokenFile(std::span<const std::byte> bytes, const std::string& name);

  const TokenFileInfo& info() const { return info_; }
  const std::string& name() const { return name_; }
  // Of all the file's content: equal for equal files.
  Hash128 content_hash() const { return content_hash_; }

  // Copies tokens [begin, begin + out.size()). Requires that they exist.
  void read(int64_t begin, std::span<int32_t> out) const;
  DocumentBounds document(int64_t index) const;

  // Checks every byte of the file.
  void verify() const;

 private:
  void open();
  void read_footer();
  void check_header() const;
  void check_range(uint64_t begin, uint64_t end) const;
  void check_block(uint64_t block) const;
  void release(uint64_t begin, uint64_t end) const;
  void check_table_entry(int64_t index) const;

  std::unique_ptr<MappedFile> file_;  // null over memory
  std::span<const std::byte> bytes_;
  std::string name_;
  TokenFileInfo info_;
  uint64_t table_offset_ = 0;
  uint64_t checksums_offset_ = 0;
  Hash128 content_hash_;
  std::unique_ptr<std::atomic<bool>[]> block_is_good_;
};

}  // namespace colossus::data
