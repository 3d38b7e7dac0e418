// All documents of a list of files, one after the other, numbered from 0.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/document_reader.h"
#include "data/inputs.h"

namespace colossus::data {

// One owner, one thread. `files` and `options` must outlive it.
class Corpus {
 public:
  Corpus(const std::vector<InputFile>& files, const ReadOptions& options)
      : files_(files), options_(options) {}

  // False at the end. `document` is never empty; its number is the count of
  // those before it. Errors as of ByteSource and DocumentReader.
  bool next(std::string& document);

  uint64_t num_bytes_consumed() const;  // of the files, as they lie on disk
  // Which of `files` the last document came from.
  size_t file_index() const { return next_file_ - 1; }
  const std::vector<std::string>& empty_files() const { return empty_files_; }

 private:
  bool open_next_file();
  void close_file();

  const std::vector<InputFile>& files_;
  const ReadOptions& options_;
  size_t next_file_ = 0;
  bool file_had_documents_ = false;
  uint64_t bytes_of_closed_files_ = 0;
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<DocumentReader> reader_;
  std::vector<std::string> empty_files_;
};

// The size of all files on disk.
uint64_t total_bytes(const std::vector<InputFile>& files);

}  // namespace colossus::data
