#include "distributed/frame.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace colossus::distributed {
namespace {

constexpr Hash128 kRun = {3, 4};

FrameHeader header_of(FrameKind kind, uint64_t payload_bytes) {
  FrameHeader header;
  header.kind = kind;
  header.run = kRun;
  header.view = 7;
  header.sender = 2;
  header.round = 1'000'000'000'000;
  header.a = 5;
  header.b = 6;
  header.payload_bytes = payload_bytes;
  return header;
}

// Takes everything up to 1000 bytes.
class Collector : public FrameSink {
 public:
  std::span<std::byte> begin(const FrameHeader& header) override {
    if (header.payload_bytes > 1000) throw run_error("too long");
    payload.resize(header.payload_bytes);
    return payload;
  }
  void end(const FrameHeader& header) override { headers.push_back(header); }

  std::vector<std::byte> payload;
  std::vector<FrameHeader> headers;
};

void feed(FrameReader& reader, std::span<const std::byte> stream,
          size_t most_at_once) {
  while (!stream.empty()) {
    const std::span<std::byte> space = reader.space();
    const size_t count = std::min({space.size(), stream.size(), most_at_once});
    std::copy_n(stream.begin(), count, space.begin());
    reader.filled(count);
    stream = stream.subspan(count);
  }
}

void append(std::vector<std::byte>& stream, const FrameHeader& header) {
  const FrameHeaderBytes bytes = encode_frame_header(header);
  stream.insert(stream.end(), bytes.begin(), bytes.end());
  for (uint64_t i = 0; i < header.payload_bytes; ++i) {
    stream.push_back(static_cast<std::byte>(i));
  }
}

TEST(Frame, ComesOutAsItWentInHoweverTheStreamIsCut) {
  const std::vector<FrameHeader> sent = {
      header_of(FrameKind::kHello, 0), header_of(FrameKind::kValues, 200),
      header_of(FrameKind::kBeat, 0), header_of(FrameKind::kGradient, 1)};
  std::vector<std::byte> stream;
  for (const FrameHeader& header : sent) append(stream, header);
  for (const size_t most_at_once : {1, 7, 72, 1000}) {
    Collector collector;
    FrameReader reader(kRun, collector);
    feed(reader, stream, most_at_once);
    EXPECT_EQ(collector.headers, sent);
  }
}

// The bytes stand in docs/formats/frames.md.
TEST(Frame, HasTheDocumentedBytes) {
  FrameHeader header = header_of(FrameKind::kWeights, 0x0102);
  header.round = 3;
  const FrameHeaderBytes bytes = encode_frame_header(header);
  const auto byte = [&](size_t i) { return std::to_integer<int>(bytes[i]); };
  EXPECT_EQ(byte(0), 'C');
  EXPECT_EQ(byte(3), 'M');
  EXPECT_EQ(byte(4), 1);  // version
  EXPECT_EQ(byte(6), 7);  // kind
  EXPECT_EQ(byte(8), 3);  // run
  EXPECT_EQ(byte(16), 4);
  EXPECT_EQ(byte(24), 7);  // view
  EXPECT_EQ(byte(32), 2);  // sender
  EXPECT_EQ(byte(40), 3);  // round
  EXPECT_EQ(byte(48), 5);  // a
  EXPECT_EQ(byte(56), 6);  // b
  EXPECT_EQ(byte(64), 2);  // payload
  EXPECT_EQ(byte(65), 1);
}

TEST(Frame, IsRefusedIfAnyPartOfItsHeaderMakesNoSense) {
  const FrameHeaderBytes good =
      encode_frame_header(header_of(FrameKind::kMeet, 0));
  EXPECT_NO_THROW(decode_frame_header(good, kRun));
  EXPECT_THROW(decode_frame_header(good, {3, 5}), RunError);
  // Mark, version, kind, run, and the signs of view, sender, a and b.
  for (const size_t at : {0, 3, 4, 5, 6, 7, 8, 15, 16, 23, 31, 39, 55, 63}) {
    FrameHeaderBytes bad = good;
    bad[at] ^= std::byte{0x80};
    EXPECT_THROW(decode_frame_header(bad, kRun), RunError) << at;
  }
}

TEST(Frame, OfRefusedLengthTakesNoMemory) {
  std::vector<std::byte> stream;
  FrameHeader header = header_of(FrameKind::kGradient, 0);
  header.payload_bytes = ~uint64_t{0};
  const FrameHeaderBytes bytes = encode_frame_header(header);
  Collector collector;
  FrameReader reader(kRun, collector);
  EXPECT_THROW(feed(reader, bytes, 1000), RunError);
  EXPECT_TRUE(collector.payload.empty());
}

}  // namespace
}  // namespace colossus::distributed
