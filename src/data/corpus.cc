#include "data/corpus.h"

namespace colossus::data {

bool Corpus::next(std::string& document) {
  while (true) {
    if (!reader_ && !open_next_file()) return false;
    if (reader_->next(document)) {
      file_had_documents_ = true;
      return true;
    }
    close_file();
  }
}

bool Corpus::open_next_file() {
  while (next_file_ < files_.size()) {
    const InputFile& file = files_[next_file_++];
    if (file.num_bytes == 0) {  // a compressed file cannot be that short
      empty_files_.push_back(file.name);
      continue;
    }
    source_ = decompress(open_byte_source(file.path), file.format.compression,
                         file.name);
    reader_ =
        make_document_reader(*source_, file.format.text, file.name, options_);
    file_had_documents_ = false;
    return true;
  }
  return false;
}

void Corpus::close_file() {
  if (!file_had_documents_) empty_files_.push_back(files_[next_file_ - 1].name);
  bytes_of_closed_files_ += source_->num_bytes_consumed();
  reader_.reset();
  source_.reset();
}

uint64_t Corpus::num_bytes_consumed() const {
  return bytes_of_closed_files_ + (source_ ? source_->num_bytes_consumed() : 0);
}

uint64_t total_bytes(const std::vector<InputFile>& files) {
  uint64_t total = 0;
  for (const InputFile& file : files) total += file.num_bytes;
  return total;
}

}  // namespace colossus::data
