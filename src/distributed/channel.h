// A connection over which frames go, either way; private to this folder. All of
// it happens in the thread that runs the io_context.
#pragma once

#include <array>
#include <asio.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "distributed/frame.h"
#include "distributed/network.h"

namespace colossus::distributed {

struct OutFrame {
  FrameHeader header;
  std::span<const std::byte> payload;  // stays as it is until it is written
  std::shared_ptr<const std::vector<double>> kept;  // if the payload lies here
};

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  struct Events {
    std::function<void()> on_frame;    // one was taken by the sink
    std::function<void()> on_written;  // one is with the kernel, or dropped
    // The peer closed, or sent what is not valid. Not after `close`.
    std::function<void()> on_end;
  };

  Channel(asio::ip::tcp::socket socket, const Hash128& run, FrameSink& sink,
          Events events);

  // Begins to read. `sink` and `events` are used until `close`.
  void start() { read(); }
  void write(OutFrame frame);
  bool is_idle() const { return out_.empty(); }
  void close();

 private:
  void read();
  void received(size_t count);
  void end();
  void write_next();
  void written(bool well);

  asio::ip::tcp::socket socket_;
  FrameReader reader_;
  const Events events_;
  std::deque<OutFrame> out_;
  FrameHeaderBytes out_header_ = {};
  bool open_ = true;
  bool can_write_ = true;
};

// No delay of small frames; the kernel gives up on a silent peer in time.
void set_socket_options(asio::ip::tcp::socket& socket,
                        const NetworkOptions& options);

inline asio::ip::tcp::endpoint to_asio(const config::Endpoint& endpoint) {
  return {asio::ip::address_v4(endpoint.address), endpoint.port};
}

inline std::chrono::microseconds to_asio(double seconds) {
  return std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6));
}

}  // namespace colossus::distributed
