#include "data/token_file.h"

#include <algorithm>

#include "base/error.h"
#include "data/token_file_layout.h"

namespace colossus::data {

using namespace token_file_layout;

namespace {

constexpr uint64_t kMaxCount = uint64_t{1} << 50;  // no sum of these overflows
constexpr const char* kRemedy = "prepare the data again, or take another copy";

template <typename Token>
void widen(const std::byte* from, std::span<int32_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    Token token;
    std::memcpy(&token, from + i * sizeof(Token), sizeof(Token));
    out[i] = static_cast<int32_t>(token);
  }
}

}  // namespace

int32_t token_width_of(int64_t vocab_size) {
  return vocab_size <= (1 << 16) ? 2 : 4;
}

TokenFile::TokenFile(const std::string& path)
    : file_(std::make_unique<MappedFile>(path)),
      bytes_(file_->bytes()),
      name_(path) {
  open();
}

TokenFile::TokenFile(std::span<const std::byte> bytes, const std::string& name)
    : bytes_(bytes), name_(name) {
  open();
}

void TokenFile::open() {
  if (bytes_.size() < sizeof(Header) + sizeof(Footer)) {
    throw corrupt_file("{}: no token file: only {} bytes long; {}", name_,
                       bytes_.size(), kRemedy);
  }
  const auto header = load<Header>(bytes_, 0);
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    throw corrupt_file("{}: no token file: wrong magic at offset 0; {}", name_,
                       kRemedy);
  }
  if (header.version != kVersion) {
    throw corrupt_file(
        "{}: token file of version {} at offset 8, this program reads {}; {}",
        name_, header.version, kVersion, kRemedy);
  }
  info_.token_width = static_cast<int32_t>(header.token_width);
  info_.vocab_size = static_cast<int64_t>(header.vocab_size);
  info_.tokenizer_hash = {header.tokenizer_hash_high,
                          header.tokenizer_hash_low};
  check_header();
  read_footer();
  block_is_good_ =
      std::make_unique<std::atomic<bool>[]>(num_blocks(checksums_offset_));
  check_block(0);  // with it the header
}

void TokenFile::check_header() const {
  const auto header = load<Header>(bytes_, 0);
  const bool fits = header.vocab_size >= 1 && header.vocab_size <= INT32_MAX &&
                    info_.token_width == token_width_of(info_.vocab_size);
  if (!fits) {
    throw corrupt_file(
        "{}: damaged header at offset 12: {} bytes a token, vocabulary {}; {}",
        name_, header.token_width, header.vocab_size, kRemedy);
  }
}

// Everything that the footer says is bounded by the file's size before use.
void TokenFile::read_footer() {
  const uint64_t footer_offset = bytes_.size() - sizeof(Footer);
  const auto footer = load<Footer>(bytes_, footer_offset);
  auto fail = [&](const char* what) {
    throw corrupt_file("{}: {} at offset {} (cut off or damaged); {}", name_,
                       what, footer_offset, kRemedy);
  };
  if (std::memcmp(footer.magic, kEndMagic, sizeof(kEndMagic)) != 0) {
    fail("no footer");
  }
  if (footer_hash_of(footer) != footer.footer_hash) fail("damaged footer");
  if (footer.num_tokens > kMaxCount || footer.num_documents > kMaxCount ||
      footer.num_text_bytes > kMaxCount) {
    fail("impossible counts");
  }
  const uint64_t tokens_end =
      sizeof(Header) + footer.num_tokens * info_.token_width;
  const uint64_t table_end =
      padded(tokens_end) + (footer.num_documents + 1) * sizeof(TableEntry);
  if (footer.table_offset != padded(tokens_end) ||
      footer.checksums_offset != table_end ||
      footer_offset != table_end + num_blocks(table_end) * sizeof(Checksum)) {
    fail("counts that do not fit the file's size");
  }
  if (checksum_of(bytes_.subspan(table_end, footer_offset - table_end)) !=
      footer.checksums_hash) {
    throw corrupt_file("{}: damaged list of checksums at offset {}; {}", name_,
                       table_end, kRemedy);
  }
  info_.num_tokens = static_cast<int64_t>(footer.num_tokens);
  info_.num_documents = static_cast<int64_t>(footer.num_documents);
  info_.num_text_bytes = static_cast<int64_t>(footer.num_text_bytes);
  table_offset_ = footer.table_offset;
  checksums_offset_ = footer.checksums_offset;
  content_hash_ = {footer.footer_hash.high, footer.footer_hash.low};
}

void TokenFile::check_block(uint64_t block) const {
  if (block_is_good_[block].load(std::memory_order_acquire)) return;
  const uint64_t begin = block * kBlockBytes;
  const uint64_t size = std::min(kBlockBytes, checksums_offset_ - begin);
  const auto expected =
      load<Checksum>(bytes_, checksums_offset_ + block * sizeof(Checksum));
  if (checksum_of(bytes_.subspan(begin, size)) != expected) {
    throw corrupt_file(
        "{}: damaged: wrong checksum of the {} bytes at offset {}; {}", name_,
        size, begin, kRemedy);
  }
  block_is_good_[block].store(true, std::memory_order_release);
  release(begin, begin + size);
}

// Pages of a mapped file count as the process's memory once they were touched,
// and a run touches all of them sooner or later.
void TokenFile::release(uint64_t begin, uint64_t end) const {
  if (file_ == nullptr) return;
  begin = begin / kBlockBytes * kBlockBytes;
  end = std::min<uint64_t>(num_blocks(end) * kBlockBytes, bytes_.size());
  release_pages(bytes_.subspan(begin, end - begin));
}

void TokenFile::check_range(uint64_t begin, uint64_t end) const {
  for (uint64_t i = begin / kBlockBytes; i * kBlockBytes < end; ++i) {
    check_block(i);
  }
}

void TokenFile::read(int64_t begin, std::span<int32_t> out) const {
  const auto count = static_cast<int64_t>(out.size());
  COLOSSUS_CHECK(begin >= 0 && begin <= info_.num_tokens - count,
                 "tokens [{}, {}) of {}", begin, begin + count,
                 info_.num_tokens);
  const uint64_t offset = sizeof(Header) + begin * info_.token_width;
  check_range(offset, offset + count * info_.token_width);
  if (info_.token_width == 2) {
    widen<uint16_t>(bytes_.data() + offset, out);
  } else {
    widen<uint32_t>(bytes_.data() + offset, out);
  }
  release(offset, offset + count * info_.token_width);
  // Checksums say that the bytes are as written, not that they make sense.
  for (int64_t i = 0; i < count; ++i) {
    if (out[i] < 0 || out[i] >= info_.vocab_size) {
      throw corrupt_file(
          "{}: token {} at offset {} is not in the vocabulary of {}; {}", name_,
          out[i], offset + i * info_.token_width, info_.vocab_size, kRemedy);
    }
  }
}

DocumentBounds TokenFile::document(int64_t index) const {
  COLOSSUS_CHECK(index >= 0 && index < info_.num_documents, "document {} of {}",
                 index, info_.num_documents);
  check_table_entry(index);
  const uint64_t offset = table_offset_ + index * sizeof(TableEntry);
  const auto begin = load<TableEntry>(bytes_, offset);
  const auto end = load<TableEntry>(bytes_, offset + sizeof(TableEntry));
  return {static_cast<int64_t>(begin.num_tokens),
          static_cast<int64_t>(end.num_tokens),
          static_cast<int64_t>(end.num_text_bytes - begin.num_text_bytes)};
}

// That a document lies within the tokens and has at least begin and end.
void TokenFile::check_table_entry(int64_t index) const {
  const uint64_t offset = table_offset_ + index * sizeof(TableEntry);
  check_range(offset, offset + 2 * sizeof(TableEntry));
  const auto begin = load<TableEntry>(bytes_, offset);
  const auto end = load<TableEntry>(bytes_, offset + sizeof(TableEntry));
  const auto num_tokens = static_cast<uint64_t>(info_.num_tokens);
  const auto num_bytes = static_cast<uint64_t>(info_.num_text_bytes);
  const bool fits =
      end.num_tokens <= num_tokens && begin.num_tokens + 2 <= end.num_tokens &&
      begin.num_text_bytes <= end.num_text_bytes &&
      end.num_text_bytes <= num_bytes && begin.num_tokens <= num_tokens;
  if (!fits) {
    throw corrupt_file("{}: impossible bounds of document {} at offset {}; {}",
                       name_, index, offset, kRemedy);
  }
}

void TokenFile::verify() const {
  check_range(0, checksums_offset_);
  for (int64_t i = 0; i < info_.num_documents; ++i) check_table_entry(i);
  std::vector<int32_t> tokens(1 << 16);
  for (int64_t begin = 0; begin < info_.num_tokens;) {
    const int64_t count = std::min<int64_t>(
        info_.num_tokens - begin, static_cast<int64_t>(tokens.size()));
    read(begin, std::span(tokens).first(count));
    begin += count;
  }
}

}  // namespace colossus::data
