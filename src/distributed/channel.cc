#include "distributed/channel.h"

#include <netinet/tcp.h>

#include <utility>

#include "base/error.h"

namespace colossus::distributed {

void set_socket_options(asio::ip::tcp::socket& socket,
                        const NetworkOptions& options) {
  using UserTimeout =
      asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;
  asio::error_code ignored;  // the read that follows tells of a dead socket
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(
      UserTimeout(static_cast<int>(options.user_timeout_seconds * 1000)),
      ignored);
}

Channel::Channel(asio::ip::tcp::socket socket, const Hash128& run,
                 FrameSink& sink, Events events)
    : socket_(std::move(socket)),
      reader_(run, sink),
      events_(std::move(events)) {}

void Channel::read() {
  const std::span<std::byte> space = reader_.space();
  socket_.async_read_some(
      asio::buffer(space.data(), space.size()),
      [self = shared_from_this()](const asio::error_code& error, size_t count) {
        if (!self->open_) return;
        if (error) return self->end();
        self->received(count);
      });
}

void Channel::received(size_t count) {
  try {
    if (reader_.filled(count)) events_.on_frame();
  } catch (const RunError&) {
    return end();
  }
  if (open_) read();
}

void Channel::end() {
  const auto self = shared_from_this();
  close();
  events_.on_end();
}

void Channel::write(OutFrame frame) {
  if (!open_ || !can_write_) return events_.on_written();
  out_.push_back(std::move(frame));
  if (out_.size() == 1) write_next();
}

void Channel::write_next() {
  const OutFrame& frame = out_.front();
  out_header_ = encode_frame_header(frame.header);
  const std::array<asio::const_buffer, 2> buffers = {
      asio::buffer(out_header_),
      asio::buffer(frame.payload.data(), frame.payload.size())};
  asio::async_write(
      socket_, buffers,
      [self = shared_from_this()](const asio::error_code& error, size_t) {
        if (self->open_) self->written(!error);
      });
}

// That it cannot be written to says nothing: reading tells of the end.
void Channel::written(bool well) {
  can_write_ = well;
  do {
    out_.pop_front();
    events_.on_written();
  } while (!can_write_ && !out_.empty());
  if (!out_.empty()) write_next();
}

void Channel::close() {
  if (!open_) return;
  open_ = false;
  asio::error_code ignored;
  socket_.close(ignored);
  for (size_t i = 0; i < out_.size(); ++i) events_.on_written();
}

}  // namespace colossus::distributed
