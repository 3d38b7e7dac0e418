#include "data/byte_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "data/test_text.h"

namespace colossus::data {
namespace {

using testing::HasSubstr;

std::string read_all(ByteSource& source, size_t at_once = 1000) {
  std::string all;
  std::string buffer(at_once, '\0');
  while (const size_t count = source.read(buffer.data(), buffer.size())) {
    all.append(buffer, 0, count);
  }
  return all;
}

std::string unpack(const std::string& packed, Compression compression) {
  const auto source = decompress(memory_source(packed), compression, "some.gz");
  return read_all(*source);
}

std::string error_of(const std::string& packed, Compression compression) {
  try {
    unpack(packed, compression);
  } catch (const CorruptFile& error) {
    return error.what();
  }
  return "";
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i * 7919) + " ";
  return text;
}

TEST(ByteSource, UnpacksGzipAndZstd) {
  const std::string text = long_text();
  EXPECT_EQ(unpack(gzip(text), Compression::kGzip), text);
  EXPECT_EQ(unpack(zstd(text), Compression::kZstd), text);
}

TEST(ByteSource, UnpacksWhatWasPackedInSeveralPieces) {
  EXPECT_EQ(unpack(gzip("one ") + gzip("") + gzip("two"), Compression::kGzip),
            "one two");
  EXPECT_EQ(unpack(zstd("one ") + zstd("") + zstd("two"), Compression::kZstd),
            "one two");
}

TEST(ByteSource, NamesFileAndOffsetWherePackedDataEndsEarly) {
  const std::string text = long_text();
  for (const auto& [packed, kind] :
       {std::pair{gzip(text), Compression::kGzip},
        std::pair{zstd(text), Compression::kZstd}}) {
    for (const size_t size :
         {size_t{0}, size_t{3}, packed.size() / 2, packed.size() - 1}) {
      const std::string error = error_of(packed.substr(0, size), kind);
      EXPECT_THAT(error, HasSubstr("some.gz"));
      EXPECT_THAT(error, HasSubstr("ends early"));
      EXPECT_THAT(error, HasSubstr(fmt::format("byte {} ", size)));
    }
  }
}

TEST(ByteSource, NamesTheFileWherePackedDataIsDamaged) {
  std::string packed = gzip(long_text());
  packed[packed.size() / 2] ^= 0x10;
  EXPECT_THAT(error_of(packed, Compression::kGzip), HasSubstr("damaged gzip"));
  packed = zstd(long_text());
  packed[packed.size() / 2] ^= 0x10;
  EXPECT_THAT(error_of(packed, Compression::kZstd), HasSubstr("damaged zstd"));
  EXPECT_NE(error_of("this is plain text", Compression::kGzip), "");
  EXPECT_NE(error_of("this is plain text", Compression::kZstd), "");
}

TEST(ByteSource, NamesAFileThatIsMissing) {
  EXPECT_THROW(open_byte_source("/no/such/file"), UserError);
}

}  // namespace
}  // namespace colossus::data
