#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "checkpoint/safetensors_writer.h"

namespace colossus::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// A file of this header and so many zero bytes of data.
std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data_bytes, '\0');
}

Safetensors parse(const std::string& file) {
  return Safetensors(as_bytes(file), "x.safetensors");
}

const std::string kGood =
    R"({"__metadata__":{"a":"b"},)"
    R"("x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
    R"("y":{"dtype":"U8","shape":[],"data_offsets":[24,25]}})";

TEST(Safetensors, ReadsAWellFormedFile) {
  const std::string file = file_of(kGood + "  ", 25);
  const Safetensors parsed = parse(file);
  ASSERT_EQ(parsed.tensors().size(), 2u);
  EXPECT_EQ(parsed.get("x").num_elements(), 6);
  EXPECT_THAT(parsed.get("x").shape, ElementsAre(2, 3));
  EXPECT_EQ(parsed.get("y").num_elements(), 1);
  EXPECT_EQ(parsed.get("y").offset, file.size() - 1);
  EXPECT_EQ(parsed.metadata().at("a"), "b");
  EXPECT_EQ(parsed.find("z"), nullptr);
  EXPECT_THAT([&] { parsed.get("z"); },
              ThrowsMessage<CorruptFile>(HasSubstr("no tensor 'z'")));
}

TEST(Safetensors, TheOrderOfTheHeaderIsFree) {
  const Safetensors parsed =
      parse(file_of(R"({"b":{"data_offsets":[1,2],"shape":[1],"dtype":"U8"},)"
                    R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                    2));
  EXPECT_EQ(parsed.tensors()[0].name, "a");
  EXPECT_EQ(parsed.tensors()[1].name, "b");
}

TEST(Safetensors, ReadsTheReferenceCases) {
  for (const char* name : {"dense", "grok1_moe", "grok1_renormalized",
                           "grok2_residual_moe", "one_kv_head_odd_sizes"}) {
    const SafetensorsFile file(std::string(COLOSSUS_SOURCE_DIR) +
                               "/tests/conformance/" + name + ".safetensors");
    EXPECT_EQ(file->get("tokens").dtype, Dtype::kI64);
    EXPECT_EQ(file->get("logits").dtype, Dtype::kF64);
    EXPECT_EQ(file->get("logits").shape.size(), 3u);
    EXPECT_NE(file->find("param/model.embed_tokens.weight"), nullptr);
    const double loss = read_as_doubles(file->get("loss")).at(0);
    EXPECT_GT(loss, 1) << name;
    EXPECT_LT(loss, 10) << name;
    EXPECT_EQ(loss, read_as_doubles(file->get("losses")).at(0)) << name;
  }
}

struct BadFile {
  const char* why;
  std::string file;
  const char* message;
};

TEST(Safetensors, RefusesWhatIsNotOfTheForm) {
  const std::string x = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":)";
  const std::vector<BadFile> files = {
      {"empty", "", "too short"},
      {"length alone", std::string("\xff\0\0\0\0\0\0\0", 8), "claims 255"},
      {"no brace", file_of(" {}", 0), "start with '{'"},
      {"not JSON", file_of("{\"x\":", 0), "not JSON at offset"},
      {"text behind", file_of("{}x", 0), "not JSON at offset 10"},
      {"zero behind", file_of(std::string("{}\0 ", 4), 0), "zero byte"},
      {"deep", file_of("{" + std::string(R"("x":{)") + x + R"(,"y":{}}})", 8),
       "unknown key"},
      {"list at the top", file_of("{\"x\":[]}", 0), "a list"},
      {"deep list", file_of(R"({"x":{"shape":[[[[]]]]}})", 0), "a list"},
      {"duplicate tensor", file_of("{\"x\":{" + x + "},\"x\":{" + x + "}}", 8),
       "occurs twice"},
      {"duplicate field", file_of("{\"x\":{" + x + R"(,"dtype":"F32"}})", 8),
       "occurs twice"},
      {"duplicate metadata", file_of(R"({"__metadata__":{"a":"","a":""}})", 0),
       "occurs twice"},
      {"metadata of a number", file_of(R"({"__metadata__":{"a":1}})", 0),
       "a number"},
      {"missing field", file_of(R"({"x":{"dtype":"F32","shape":[2]}})", 8),
       "missing"},
      {"negative length",
       file_of(R"({"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8),
       "negative"},
      {"fraction",
       file_of(R"({"x":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})",
               8),
       "whole"},
      {"unknown dtype",
       file_of(R"({"x":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8),
       "unknown dtype"},
      {"one offset",
       file_of(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8]}})", 8),
       "fewer than two"},
      {"three offsets",
       file_of(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})",
               8),
       "more than two"},
      {"beyond the end", file_of("{" + a + "[0,2]}}", 1), "has 1 bytes"},
      {"backwards",
       file_of("{" + a +
                   "[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\""
                   ":[0],\"data_offsets\":[2,1]}}",
               2),
       "ends at 1"},
      {"gap", file_of("{" + a + "[1,3]}}", 3), "starts at 1"},
      {"overlap",
       file_of("{" + a +
                   "[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
                   "\"data_offsets\":[1,3]}}",
               3),
       "starts at 1"},
      {"bytes behind", file_of("{" + a + "[0,2]}}", 3), "belong to no tensor"},
      {"wrong size", file_of("{" + a + "[0,3]}}", 3), "which take 2"},
      {"overflow",
       file_of(R"({"x":{"dtype":"F64","shape":[4294967296,4294967296,8],)"
               R"("data_offsets":[0,0]}})",
               0),
       "more than 2^62"},
      {"huge length",
       file_of(R"({"x":{"dtype":"U8","shape":[18446744073709551615],)"
               R"("data_offsets":[0,0]}})",
               0),
       "more than 2^62"},
      {"bad UTF-8", file_of("{\"__metadata__\":{\"a\":\"\xff\"}}", 0),
       "not JSON"},
  };
  for (const BadFile& bad : files) {
    SCOPED_TRACE(bad.why);
    EXPECT_THAT([&] { parse(bad.file); },
                ThrowsMessage<CorruptFile>(
                    AllOf(HasSubstr("x.safetensors"), HasSubstr(bad.message))));
  }
}

TEST(Safetensors, ErrorsNameTensorAndOffset) {
  const std::string header =
      R"({"layer.weight":{"dtype":"U8","shape":[3],"data_offsets":[0,2]}})";
  EXPECT_THAT([&] { parse(file_of(header, 2)); },
              ThrowsMessage<CorruptFile>(AllOf(
                  HasSubstr("'layer.weight'"),
                  HasSubstr(fmt::format("offset {}", 8 + header.size())))));
}

TEST(Safetensors, IsRefusedWhereverItIsCut) {
  const std::string file = file_of(kGood, 25);
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_THROW(parse(file.substr(0, size)), CorruptFile) << size;
  }
}

TEST(Safetensors, AFlippedHeaderBitNeverLeadsOutOfTheFile) {
  const std::string good = file_of(kGood, 25);
  const size_t header_end = good.size() - 25;
  int num_refused = 0;
  for (size_t byte = 0; byte < header_end; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string file = good;
      file[byte] = static_cast<char>(file[byte] ^ (1 << bit));
      try {
        const Safetensors parsed = parse(file);
        for (const StoredTensor& tensor : parsed.tensors()) {
          ASSERT_LE(tensor.offset + tensor.bytes.size(), file.size());
          read_as_doubles(tensor);
        }
      } catch (const CorruptFile&) {
        ++num_refused;
      } catch (const UserError&) {  // an 8-bit float by now
      }
    }
  }
  // What stays readable are other names and keys of the metadata.
  EXPECT_GT(num_refused, static_cast<int>(header_end) * 7);
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  const std::vector<float> x = {1, -0.0f, INFINITY, 1e-45f, 3, 4};
  const std::vector<int64_t> y = {-1, INT64_MAX};
  SafetensorsWriter writer(real_file_system(), folder / "a",
                           {{"x", Dtype::kF32, {2, 3}},
                            {"empty", Dtype::kF64, {0, 4}},
                            {"\"quoted\" \xC3\xA9", Dtype::kI64, {2}}},
                           {{"key", "value"}});
  writer.append(x);
  writer.append(std::span<const std::byte>());
  writer.append(std::as_bytes(std::span(y)));
  const FileRecord record = writer.finish();

  const SafetensorsFile file(folder / "a");
  std::vector<float> read(6);
  copy_f32(file->get("x"), read);
  EXPECT_EQ(std::memcmp(read.data(), x.data(), 24), 0);
  EXPECT_EQ(file->get("x").offset % 64, 0u);
  EXPECT_THAT(file->get("empty").shape, ElementsAre(0, 4));
  EXPECT_EQ(element_as_double(file->get("\"quoted\" \xC3\xA9"), 0), -1);
  EXPECT_EQ(file->metadata().at("key"), "value");
  EXPECT_EQ(record.size_bytes, file.bytes().size());
  EXPECT_EQ(record.hash, hash128(file.bytes()));
}

TEST(Safetensors, ALongFileHasAHashForEachBlock) {
  const TemporaryFolder folder;
  const std::vector<float> x(kBlockBytes / 4 * 2, 1.5f);
  SafetensorsWriter writer(
      real_file_system(), folder / "a",
      {{"x", Dtype::kF32, {static_cast<int64_t>(x.size())}}});
  writer.append(x);
  const FileRecord record = writer.finish();
  const MappedFile file(folder / "a");
  ASSERT_EQ(record.block_hashes.size(), 3u);
  EXPECT_EQ(record.block_hashes[1],
            hash128(file.bytes().subspan(kBlockBytes, kBlockBytes)));
  EXPECT_EQ(record.block_hashes[2],
            hash128(file.bytes().subspan(2 * kBlockBytes)));
}

TEST(Safetensors, ReadsEveryFloatFormat) {
  const auto element = [](Dtype dtype, uint64_t bits) {
    StoredTensor tensor{"x", dtype, {}, 0, {}};
    tensor.bytes = std::as_bytes(std::span(&bits, 1)).first(dtype_bytes(dtype));
    return element_as_double(tensor, 0);
  };
  EXPECT_EQ(element(Dtype::kF16, 0x3c00), 1.0);
  EXPECT_EQ(element(Dtype::kF16, 0xc000), -2.0);
  EXPECT_EQ(element(Dtype::kF16, 0x0001), std::ldexp(1, -24));
  EXPECT_EQ(element(Dtype::kF16, 0x7bff), 65504.0);
  EXPECT_EQ(element(Dtype::kF16, 0xfc00), -INFINITY);
  EXPECT_TRUE(std::isnan(element(Dtype::kF16, 0x7c01)));
  EXPECT_EQ(element(Dtype::kBF16, 0x3f80), 1.0);
  EXPECT_EQ(element(Dtype::kBF16, 0xc040), -3.0);
  EXPECT_EQ(element(Dtype::kF32, 0x40490fdb), 3.1415927410125732);
  EXPECT_EQ(element(Dtype::kI8, 0xff), -1);
  EXPECT_EQ(element(Dtype::kU8, 0xff), 255);
  EXPECT_EQ(element(Dtype::kI16, 0x8000), -32768);
  EXPECT_EQ(element(Dtype::kI32, 0xffffffff), -1);
  EXPECT_THROW(element(Dtype::kF8E4M3, 0), UserError);
}

}  // namespace
}  // namespace colossus::checkpoint
