#include "distributed/message_ring.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace colossus::distributed {
namespace {

constexpr uint64_t kBytes = MessageRing::kHeaderBytes + 100;

struct alignas(64) Line {
  std::byte bytes[64];
};
class Memory {
 public:
  std::span<std::byte> span() { return {lines_[0].bytes, kBytes}; }

 private:
  std::vector<Line> lines_ = std::vector<Line>(kBytes / 64 + 1);
};

TEST(MessageRing, GivesMessagesInOrderRoundTheEnd) {
  Memory memory;
  MessageRing writer(memory.span(), true), reader(memory.span(), false);
  for (int i = 0; i < 50; ++i) {
    const std::string text =
        std::string(static_cast<size_t>(i % 30), 'x') + std::to_string(i);
    ASSERT_TRUE(writer.write(text));
    EXPECT_EQ(reader.peek(), text);
    reader.consume();
  }
  EXPECT_FALSE(reader.peek().has_value());
  EXPECT_EQ(reader.dropped(), 0u);
}

TEST(MessageRing, DropsWhatDoesNotFitAndCountsIt) {
  Memory memory;
  MessageRing ring(memory.span(), true);
  EXPECT_TRUE(ring.write(std::string(60, 'a')));
  EXPECT_FALSE(ring.write(std::string(60, 'b')));
  EXPECT_FALSE(ring.write(std::string(1000, 'c')));
  EXPECT_TRUE(ring.write("d"));
  EXPECT_EQ(ring.dropped(), 2u);
  EXPECT_EQ(ring.peek(), std::string(60, 'a'));
  ring.consume();
  EXPECT_EQ(ring.peek(), "d");
}

TEST(MessageRing, ASuccessorReadsWhatWasNotConsumed) {
  Memory memory;
  MessageRing writer(memory.span(), true);
  writer.write("one");
  writer.write("two");
  {
    MessageRing first(memory.span(), false);
    first.peek();
    first.consume();
    first.peek();  // and dies
  }
  MessageRing second(memory.span(), false);
  EXPECT_EQ(second.peek(), "two");
}

TEST(MessageRing, SkipsWhatMakesNoSense) {
  Memory memory;
  MessageRing ring(memory.span(), true);
  ring.write("message");
  const uint32_t length = 0xffffffff;
  std::memcpy(memory.span().data() + MessageRing::kHeaderBytes, &length, 4);
  EXPECT_FALSE(ring.peek().has_value());
  EXPECT_EQ(ring.dropped(), 1u);
  ring.write("next");
  EXPECT_EQ(ring.peek(), "next");
}

TEST(MessageRing, PassesMessagesBetweenThreads) {
  Memory memory;
  MessageRing writer(memory.span(), true), reader(memory.span(), false);
  constexpr int kMessages = 2000;
  std::thread thread([&] {
    for (int i = 0; i < kMessages;) {
      if (writer.write(std::to_string(i))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (int i = 0; i < kMessages;) {
    const auto text = reader.peek();
    if (!text) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(*text, std::to_string(i++));
    reader.consume();
  }
  thread.join();
}

}  // namespace
}  // namespace colossus::distributed
