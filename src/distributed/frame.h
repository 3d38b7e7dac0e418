// What goes over a connection between ranks of different machines: frames, each
// a header of fixed size and a payload whose length the header says.
//
// Nothing that arrives is trusted: a header that makes no sense, or that its
// receiver did not expect, is a RunError, and ends its connection only. No
// memory is taken by the word of a header: the receiver says where a payload
// goes, or refuses it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/hash.h"

namespace colossus::distributed {

enum class FrameKind : uint16_t {
  kHello = 1,         // the first of a connection for a view; a: to which rank
  kBeat = 2,          // so that a cut link is seen by who has nothing to say
  kGoodbye = 3,       // the last: the sender leaves in peace
  kMeet = 4,          // `round` is reached; a: the wish (ProcessGroup::commit)
  kValues = 5,        // the same, with rows; a: holder, b: numbers in a row
  kGradient = 6,      // sums of block a for slice b
  kWeights = 7,       // new weights of slice b
  kSliceRequest = 8,  // the only one of its connection; round: the step,
                      // a: which copy, b: slice
  kSlicePart = 9,     // answer: part a (w, m, v) of slice b
  kSliceEnd = 10,     // a: 1 if the parts are good, with the hash that they
                      // were stored with; 0 if there are none
};

struct FrameHeader {
  FrameKind kind = FrameKind::kBeat;
  Hash128 run;
  int64_t view = 0;
  int64_t sender = 0;  // a rank
  uint64_t round = 0;  // meetings of all participants of the view, counted
  int64_t a = 0, b = 0;
  uint64_t payload_bytes = 0;
  bool operator==(const FrameHeader&) const = default;
};

inline constexpr size_t kFrameHeaderBytes = 72;
using FrameHeaderBytes = std::array<std::byte, kFrameHeaderBytes>;

// Little-endian: docs/formats/frames.md.
FrameHeaderBytes encode_frame_header(const FrameHeader& header);
// Throws RunError unless it has the mark and version of a frame of `run`, and a
// view, sender, a and b that are not negative.
FrameHeader decode_frame_header(const FrameHeaderBytes& bytes,
                                const Hash128& run);

// The payload of a good end of a slice.
using HashBytes = std::array<std::byte, 16>;
HashBytes encode_hash(const Hash128& hash);
Hash128 decode_hash(const HashBytes& bytes);

// Who receives the frames of one connection.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // Where the payload goes, header.payload_bytes in size. Throws RunError if
  // such a frame is not expected.
  virtual std::span<std::byte> begin(const FrameHeader& header) = 0;
  // The payload is there.
  virtual void end(const FrameHeader& header) = 0;
};

// Makes frames of a stream of bytes, however it is cut. `sink` outlives it.
class FrameReader {
 public:
  FrameReader(const Hash128& run, FrameSink& sink) : run_(run), sink_(sink) {}

  // Where the next bytes of the stream go, never empty; then how many came, at
  // most so many; true if they ended a frame. Throws RunError: the stream is of
  // no use any more.
  std::span<std::byte> space();
  bool filled(size_t count);

 private:
  void begin_payload();

  const Hash128 run_;
  FrameSink& sink_;
  FrameHeaderBytes bytes_ = {};
  FrameHeader header_;
  std::span<std::byte> payload_;
  bool in_payload_ = false;
  size_t done_ = 0;  // of header or payload
};

}  // namespace colossus::distributed
