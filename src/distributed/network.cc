#include "distributed/network.h"

#include <utility>

#include "base/error.h"
#include "distributed/network_state.h"

namespace colossus::distributed {
namespace {

using asio::ip::tcp;

// At a time; more are refused.
constexpr int kMaxStrangers = 256;
constexpr int kMaxServings = 64;
constexpr size_t kMaxParked = 256;

tcp::acceptor listen(asio::io_context& io, const std::string& address) {
  asio::error_code error;
  const auto ip = asio::ip::make_address_v4(address, error);
  if (error) throw run_error("'{}' is no IPv4 address", address);
  try {
    return {io, tcp::endpoint(ip, 0)};
  } catch (const asio::system_error& failed) {
    throw run_error("cannot listen on {}: {}", address, failed.what());
  }
}

}  // namespace

// A connection that has not said what it wants.
struct Network::State::Stranger {
  Stranger(tcp::socket socket, asio::io_context& io)
      : socket(std::move(socket)), timer(io) {}
  tcp::socket socket;
  asio::steady_timer timer;
  FrameHeaderBytes bytes = {};
};

// One that is given a slice.
struct Network::State::Serving {
  Serving(tcp::socket socket, const FrameHeader& request)
      : socket(std::move(socket)), request(request) {}
  tcp::socket socket;
  const FrameHeader request;
  std::array<FrameHeaderBytes, 3> part_headers = {};
  FrameHeaderBytes end_header = {};
  Hash128 hash;
  HashBytes hash_bytes = {};

  SliceRequest slice() const {
    return {request.view, request.a, request.b,
            static_cast<int64_t>(request.round)};
  }
};

Network::State::State(const Hash128& run, int64_t rank,
                      const NetworkOptions& options)
    : run(run),
      rank(rank),
      options(options),
      work_(asio::make_work_guard(io)),
      acceptor_(listen(io, options.address)),
      pause_(io) {
  accept();
  thread_ = std::thread([this] { io.run(); });
}

Network::State::~State() {
  io.stop();
  thread_.join();
}

config::Endpoint Network::State::endpoint() const {
  const tcp::endpoint here = acceptor_.local_endpoint();
  return {here.address().to_v4().to_uint(), here.port()};
}

void Network::State::in_thread(const std::function<void()>& work) {
  std::promise<void> done;
  asio::post(io, [&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

void Network::State::serve(SliceSource source) {
  in_thread([&] { source_ = std::move(source); });
}

void Network::State::set_taker(HelloTaker* taker) {
  taker_ = taker;
  if (taker == nullptr) return;
  newest_view_ = taker->view();
  for (auto parked = parked_.begin(); parked != parked_.end();) {
    if (parked->view == newest_view_) {
      taker->take(parked->sender, std::move(parked->socket));
    }
    parked = parked->view <= newest_view_ ? parked_.erase(parked)
                                          : std::next(parked);
  }
}

void Network::State::accept() {
  acceptor_.async_accept(
      [this](const asio::error_code& error, tcp::socket socket) {
        if (error) return accept_later();
        if (num_strangers_ < kMaxStrangers) greet(std::move(socket));
        accept();
      });
}

// Out of descriptors, most likely: asking again at once would keep a core busy.
void Network::State::accept_later() {
  pause_.expires_after(to_asio(options.look_seconds));
  pause_.async_wait([this](const asio::error_code&) { accept(); });
}

void Network::State::greet(tcp::socket socket) {
  set_socket_options(socket, options);
  const auto stranger = std::make_shared<Stranger>(std::move(socket), io);
  ++num_strangers_;
  stranger->timer.expires_after(to_asio(options.patience_seconds));
  stranger->timer.async_wait([stranger](const asio::error_code& cancelled) {
    asio::error_code ignored;
    if (!cancelled) stranger->socket.close(ignored);
  });
  asio::async_read(stranger->socket, asio::buffer(stranger->bytes),
                   [this, stranger](const asio::error_code& error, size_t) {
                     --num_strangers_;
                     stranger->timer.cancel();
                     if (!error) heard(*stranger);
                   });
}

void Network::State::heard(Stranger& stranger) {
  try {
    const FrameHeader header = decode_frame_header(stranger.bytes, run);
    if (header.payload_bytes != 0) return;
    if (header.kind == FrameKind::kHello) {
      hello(header, std::move(stranger.socket));
    } else if (header.kind == FrameKind::kSliceRequest) {
      give(header, std::move(stranger.socket));
    }
  } catch (const RunError&) {
    // Whatever it was: its connection ends with `stranger`.
  }
}

void Network::State::hello(const FrameHeader& header, tcp::socket socket) {
  if (header.a != rank) return;
  if (taker_ != nullptr && header.view == taker_->view()) {
    taker_->take(header.sender, std::move(socket));
  } else if (header.view > newest_view_) {
    park({header.view, header.sender, std::move(socket)});
  }
}

void Network::State::park(Parked parked) {
  if (parked_.size() == kMaxParked) parked_.pop_front();
  parked_.push_back(std::move(parked));
}

void Network::State::give(const FrameHeader& header, tcp::socket socket) {
  if (!source_ || header.view < newest_view_ || header.round >> 62 != 0 ||
      num_servings_ >= kMaxServings) {
    return;
  }
  const auto serving = std::make_shared<Serving>(std::move(socket), header);
  ++num_servings_;
  const std::optional<StoredSlice> slice = source_(serving->slice());
  if (!slice) return end_gift(serving, false);
  serving->hash = slice->hash;
  const SliceParts& parts = slice->parts;
  std::vector<asio::const_buffer> buffers;
  for (size_t part = 0; part < parts.size(); ++part) {
    const auto bytes = std::as_bytes(parts[part]);
    FrameHeader answer = header;
    answer.kind = FrameKind::kSlicePart;
    answer.sender = rank;
    answer.a = static_cast<int64_t>(part);
    answer.payload_bytes = bytes.size();
    serving->part_headers[part] = encode_frame_header(answer);
    buffers.push_back(asio::buffer(serving->part_headers[part]));
    buffers.push_back(asio::buffer(bytes.data(), bytes.size()));
  }
  asio::async_write(serving->socket, buffers,
                    [this, serving](const asio::error_code& error, size_t) {
                      // Still there, and so not overwritten in between?
                      const auto now = source_(serving->slice());
                      end_gift(serving, !error && now.has_value() &&
                                            now->hash == serving->hash);
                    });
}

void Network::State::end_gift(const std::shared_ptr<Serving>& serving,
                              bool good) {
  FrameHeader end = serving->request;
  end.kind = FrameKind::kSliceEnd;
  end.sender = rank;
  end.a = good ? 1 : 0;
  end.payload_bytes = good ? serving->hash_bytes.size() : 0;
  serving->hash_bytes = encode_hash(serving->hash);
  serving->end_header = encode_frame_header(end);
  const std::array<asio::const_buffer, 2> buffers = {
      asio::buffer(serving->end_header),
      asio::buffer(serving->hash_bytes.data(), end.payload_bytes)};
  asio::async_write(
      serving->socket, buffers,
      [this, serving](const asio::error_code&, size_t) { --num_servings_; });
}

Network::Network(const Hash128& run, int64_t rank,
                 const NetworkOptions& options)
    : state_(std::make_unique<State>(run, rank, options)) {}

Network::~Network() = default;

int64_t Network::rank() const { return state_->rank; }
config::Endpoint Network::endpoint() const { return state_->endpoint(); }
void Network::serve(SliceSource source) { state_->serve(std::move(source)); }

}  // namespace colossus::distributed
