// Texts and packed files for the tests of this folder.
#pragma once

#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/random.h"

namespace colossus::data {

inline std::string gzip(const std::string& text) {
  z_stream stream{};
  constexpr int kGzipHeader = 16;
  COLOSSUS_CHECK(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + kGzipHeader,
                              8, Z_DEFAULT_STRATEGY) == Z_OK,
                 "zlib");
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in =
      reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // only read
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

inline std::string zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(
      ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

// A line of words, the same for the same number.
inline std::string sentence(uint64_t number) {
  static const char* const kWords[] = {"the",  "river", "king",   "went",
                                       "down", "sea",   "people", "old",
                                       "and",  "over",  "hills",  "drank"};
  std::string text = "Line" + std::to_string(number);
  for (uint64_t i = 0; i < 6 + random_bits(1, number, 99) % 10; ++i) {
    text += std::string(" ") + kWords[random_bits(1, number, i) % 12];
  }
  return text + ".\n";
}

inline std::string many_sentences(uint64_t begin, uint64_t count) {
  std::string text;
  for (uint64_t i = 0; i < count; ++i) text += sentence(begin + i);
  return text;
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
}

}  // namespace colossus::data
