// Messages from one process to another through shared memory: a ring of bytes
// with one writer and one reader, either of which may be killed at any instant.
//
// The writer never waits: what does not fit is counted as dropped. What was
// written before its writer died is still read. A successor of the reader reads
// again at most the message that its predecessor was at.
//
//   head, tail, dropped | capacity bytes: (length, text) after (length, text)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace colossus::distributed {

class MessageRing {
 public:
  // Over zero or formerly used memory of at least kHeaderBytes + 64, which must
  // outlive it. `fresh`: the ring is empty; else what is there is read.
  MessageRing(std::span<std::byte> memory, bool fresh);

  // False if there was no room: the message is dropped, and counted.
  bool write(std::string_view text);

  // The oldest message not yet consumed; nullopt if there is none. Memory that
  // makes no sense (nothing from another process is trusted) is skipped, and
  // counted as one dropped message.
  std::optional<std::string> peek();
  // The message that `peek` gave is done with.
  void consume();

  // The oldest messages, as many as there are, at most `most`, and of no more
  // than `most_bytes` together but for the first.
  struct Message {
    std::string text;
    uint64_t end = 0;  // its place among all bytes ever written
  };
  std::vector<Message> peek_several(size_t most, size_t most_bytes);
  // All messages that end up to there are done with.
  void consume_until(uint64_t end);

  uint64_t dropped() const;

  static constexpr uint64_t kHeaderBytes = 256;

 private:
  struct Header;
  Header& header() const;
  void copy_in(uint64_t at, const void* from, uint64_t size);
  void copy_out(uint64_t at, void* to, uint64_t size) const;
  std::optional<Message> message_at(uint64_t begin, uint64_t head) const;

  std::span<std::byte> memory_;
  uint64_t capacity_;
  uint64_t peeked_bytes_ = 0;
};

}  // namespace colossus::distributed
