#include "data/token_file_writer.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace colossus::data {

using namespace token_file_layout;

namespace {

std::string partial_path(const std::string& path) { return path + ".partial"; }
std::string documents_path(const std::string& path) {
  return path + ".documents";
}

template <typename Struct>
std::span<const std::byte> bytes_of(const Struct& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename Token>
void narrow(std::span<const int32_t> tokens, std::vector<std::byte>& out) {
  out.resize(tokens.size() * sizeof(Token));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto token = static_cast<Token>(tokens[i]);
    std::memcpy(out.data() + i * sizeof(Token), &token, sizeof(Token));
  }
}

}  // namespace

TokenFileWriter::TokenFileWriter(FileSystem& fs, const std::string& path,
                                 int64_t vocab_size,
                                 const Hash128& tokenizer_hash)
    : fs_(fs),
      path_(path),
      file_(fs.create(partial_path(path))),
      documents_(fs.create(documents_path(path))) {
  info_.token_width = token_width_of(vocab_size);
  info_.vocab_size = vocab_size;
  info_.tokenizer_hash = tokenizer_hash;
  block_.reserve(kBlockBytes);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.token_width = static_cast<uint32_t>(info_.token_width);
  header.vocab_size = static_cast<uint64_t>(vocab_size);
  header.tokenizer_hash_high = tokenizer_hash.high;
  header.tokenizer_hash_low = tokenizer_hash.low;
  append(bytes_of(header));
}

void TokenFileWriter::add_document(std::span<const int32_t> tokens,
                                   int64_t num_text_bytes) {
  COLOSSUS_CHECK(tokens.size() >= 2 && num_text_bytes >= 0,
                 "{} tokens, {} bytes", tokens.size(), num_text_bytes);
  append_table_entry(*documents_);
  if (info_.token_width == 2) {
    narrow<uint16_t>(tokens, packed_);
  } else {
    narrow<uint32_t>(tokens, packed_);
  }
  append(packed_);
  info_.num_tokens += static_cast<int64_t>(tokens.size());
  info_.num_documents += 1;
  info_.num_text_bytes += num_text_bytes;
}

TokenFileInfo TokenFileWriter::finish() {
  append_table();
  if (!block_.empty()) end_block();
  append_footer();
  file_->sync();
  file_->close();
  fs_.rename(partial_path(path_), path_);
  fs_.remove_file(documents_path(path_));
  const auto folder = std::filesystem::path(path_).parent_path().string();
  fs_.sync_directory(folder.empty() ? "." : folder);
  return info_;
}

void TokenFileWriter::append(std::span<const std::byte> bytes) {
  num_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const size_t room = kBlockBytes - block_.size();
    const auto part = bytes.first(std::min(room, bytes.size()));
    block_.insert(block_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (block_.size() == kBlockBytes) end_block();
  }
}

void TokenFileWriter::end_block() {
  checksums_.push_back(checksum_of(block_));
  file_->append(block_);
  block_.clear();
}

void TokenFileWriter::append_table_entry(WritableFile& file) const {
  const TableEntry entry{static_cast<uint64_t>(info_.num_tokens),
                         static_cast<uint64_t>(info_.num_text_bytes)};
  file.append(bytes_of(entry));
}

void TokenFileWriter::append_table() {
  append_table_entry(*documents_);
  documents_->close();
  const std::byte zeros[8] = {};
  append(std::span(zeros).first(padded(num_bytes_) - num_bytes_));
  const MappedFile table(documents_path(path_));
  append(table.bytes());
}

void TokenFileWriter::append_footer() {
  const auto checksums = std::as_bytes(std::span(checksums_));
  const uint64_t table_bytes = (info_.num_documents + 1) * sizeof(TableEntry);
  Footer footer{};
  footer.num_tokens = static_cast<uint64_t>(info_.num_tokens);
  footer.num_documents = static_cast<uint64_t>(info_.num_documents);
  footer.num_text_bytes = static_cast<uint64_t>(info_.num_text_bytes);
  footer.table_offset = num_bytes_ - table_bytes;
  footer.checksums_offset = num_bytes_;
  footer.checksums_hash = checksum_of(checksums);
  std::memcpy(footer.magic, kEndMagic, sizeof(kEndMagic));
  footer.footer_hash = footer_hash_of(footer);
  file_->append(checksums);
  file_->append(bytes_of(footer));
}

}  // namespace colossus::data
