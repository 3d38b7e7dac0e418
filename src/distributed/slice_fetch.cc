// Network::fetch.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "distributed/channel.h"
#include "distributed/network.h"
#include "distributed/network_state.h"

namespace colossus::distributed {
namespace {

using asio::ip::tcp;
using Fetched = Network::Fetched;

constexpr double kLookSeconds = 0.02;

// One question and its answer, over a connection and in a loop of its own.
class Fetch : public FrameSink {
 public:
  Fetch(const FrameHeader& question, const SliceRoom& room,
        const NetworkOptions& options)
      : question_(question),
        room_(room),
        options_(options),
        socket_(io_),
        reader_(question.run, *this) {}

  // Of a whole slice.
  Hash128 hash() const { return decode_hash(hash_); }

  // Nullopt: no whole answer.
  std::optional<bool> run(const config::Endpoint& from,
                          const std::function<bool()>& keep_on) {
    socket_.async_connect(to_asio(from), [this](const asio::error_code& error) {
      if (!error) ask();
    });
    const int patience =
        static_cast<int>(options_.patience_seconds / kLookSeconds);
    int still = 0;
    while (!io_.stopped() && !answer_ && keep_on() && still < patience) {
      progress_ = false;
      io_.run_for(to_asio(kLookSeconds));
      still = progress_ ? 0 : still + 1;
    }
    return answer_;
  }

  std::span<std::byte> begin(const FrameHeader& header) override {
    const bool is_part = header.kind == FrameKind::kSlicePart;
    const bool is_end = header.kind == FrameKind::kSliceEnd;
    if ((!is_part && !is_end) || header.view != question_.view ||
        header.b != question_.b || header.round != question_.round) {
      throw run_error("rank {} answers what was not asked", header.sender);
    }
    const std::span<std::byte> to = place_of(header);
    if (header.payload_bytes != to.size() || (is_part && to.empty())) {
      throw run_error("rank {} gives another slice", header.sender);
    }
    return to;
  }

  void end(const FrameHeader& header) override {
    if (header.kind == FrameKind::kSlicePart) {
      ++next_;
    } else {
      answer_ = header.a == 1 && next_ == room_.size();
    }
  }

 private:
  // Empty: nothing is to come, or another part.
  std::span<std::byte> place_of(const FrameHeader& header) {
    if (header.kind == FrameKind::kSliceEnd) {
      return header.a == 1 ? std::span(hash_) : std::span<std::byte>();
    }
    if (next_ >= room_.size() || !std::cmp_equal(header.a, next_)) return {};
    return std::as_writable_bytes(room_[next_]);
  }

  void ask() {
    set_socket_options(socket_, options_);
    bytes_ = encode_frame_header(question_);
    asio::async_write(socket_, asio::buffer(bytes_),
                      [this](const asio::error_code& error, size_t) {
                        if (!error) read();
                      });
  }

  void read() {
    const std::span<std::byte> space = reader_.space();
    socket_.async_read_some(
        asio::buffer(space.data(), space.size()),
        [this](const asio::error_code& error, size_t count) {
          if (error) return;
          progress_ = true;
          try {
            reader_.filled(count);
          } catch (const RunError&) {
            return;  // as good as no answer
          }
          if (!answer_) read();
        });
  }

  const FrameHeader question_;
  const SliceRoom room_;
  const NetworkOptions& options_;
  asio::io_context io_;
  tcp::socket socket_;
  FrameReader reader_;
  FrameHeaderBytes bytes_ = {};
  HashBytes hash_ = {};
  size_t next_ = 0;  // part
  bool progress_ = false;
  std::optional<bool> answer_;
};

}  // namespace

Fetched Network::fetch(const config::Endpoint& from,
                       const SliceRequest& request, const SliceRoom& room,
                       Hash128& hash,
                       const std::function<bool()>& keep_on) const {
  FrameHeader question;
  question.kind = FrameKind::kSliceRequest;
  question.run = state_->run;
  question.view = request.view;
  question.sender = state_->rank;
  question.round = static_cast<uint64_t>(request.step);
  question.a = request.copy;
  question.b = request.slice;
  Fetch fetch(question, room, state_->options);
  const std::optional<bool> answer = fetch.run(from, keep_on);
  if (!answer) return Fetched::kFailed;
  if (!*answer) return Fetched::kNotThere;
  hash = fetch.hash();
  return Fetched::kWhole;
}

}  // namespace colossus::distributed
