// TextSample, declared in tokenizer_trainer.h.
#include <algorithm>

#include "base/random.h"
#include "data/tokenizer_trainer.h"
#include "data/utf8.h"

namespace colossus::data {
namespace {

constexpr size_t kBlockBytes = 64 << 10;
constexpr uint64_t kSampleSeed = 1;

// Cuts behind a line if there is one in the block's second half.
size_t block_size(std::string_view text) {
  if (text.size() <= kBlockBytes) return text.size();
  const size_t newline = text.rfind('\n', kBlockBytes - 1);
  if (newline != std::string_view::npos && newline >= kBlockBytes / 2) {
    return newline + 1;
  }
  return utf8_cut(text, kBlockBytes);
}

}  // namespace

void TextSample::add(std::string_view document, int64_t document_number) {
  while (!document.empty()) {
    const size_t size = block_size(document);
    add_block(document.substr(0, size), document_number);
    document.remove_prefix(size);
  }
}

void TextSample::add_block(std::string_view text, int64_t document_number) {
  const uint64_t hash = random_bits(kSampleSeed, 0, num_blocks_seen_++);
  if (hash > max_hash_) return;
  blocks_.push_back({hash, document_number, std::string(text)});
  num_bytes_ += text.size();
  while (num_bytes_ > max_bytes_) thin_out();
}

void TextSample::thin_out() {
  max_hash_ /= 2;
  std::erase_if(blocks_, [this](const Block& block) {
    if (block.hash <= max_hash_) return false;
    num_bytes_ -= block.text.size();
    return true;
  });
}

void TextSample::remove_document(int64_t document_number) {
  std::erase_if(blocks_, [&](const Block& block) {
    if (block.document_number != document_number) return false;
    num_bytes_ -= block.text.size();
    return true;
  });
}

std::vector<std::string_view> TextSample::texts() const {
  std::vector<std::string_view> texts;
  for (const Block& block : blocks_) texts.push_back(block.text);
  return texts;
}

}  // namespace colossus::data
