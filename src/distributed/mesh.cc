#include "distributed/mesh.h"

#include <chrono>
#include <future>
#include <utility>

#include "base/error.h"
#include "distributed/board_layout.h"
#include "distributed/futex.h"
#include "distributed/network_state.h"

namespace colossus::distributed {

using asio::ip::tcp;

namespace {

// How often the thread looks before it believes that a peer, whose goodbye may
// be on its way, has left without one.
constexpr int kLooksForGoodbye = 4;

// Of a connection on which nothing is to come.
class NothingExpected : public FrameSink {
 public:
  std::span<std::byte> begin(const FrameHeader& header) override {
    throw run_error("rank {} writes where it is to read", header.sender);
  }
  void end(const FrameHeader&) override {}
};

}  // namespace

// Each rank makes a connection to each peer and writes on that one, so that
// from the first moment on the kernel tells it of the peer's end; it reads on
// the one that the peer makes.
class Mesh::State : public HelloTaker,
                    public std::enable_shared_from_this<State> {
 public:
  State(Network::State& network, const Seat& seat, int64_t view,
        const std::vector<config::Member>& members,
        const std::vector<std::unique_ptr<Inbox>>& inboxes)
      : network_(network), seat_(seat), view_(view), timer_(network.io) {
    for (size_t i = 0; i < members.size(); ++i) {
      peers_.push_back(
          Peer{members[i], inboxes[i].get(), nullptr, nullptr, nullptr, {}});
    }
  }

  // Any thread.
  void send(size_t index, OutFrame frame) {
    ++unsent_;
    frame.header.run = network_.run;
    frame.header.view = view_;
    frame.header.sender = network_.rank;
    asio::post(network_.io, [self = shared_from_this(), index,
                             frame = std::move(frame)]() mutable {
      self->write(self->peers_[index], std::move(frame));
    });
  }
  bool all_sent() const { return unsent_.load() == 0; }

  // What follows: the network's thread.

  void open() {
    network_.set_taker(this);
    for (Peer& peer : peers_) dial(peer);
    look_later();
  }

  int64_t view() const override { return view_; }

  void take(int64_t sender, tcp::socket socket) override {
    for (Peer& peer : peers_) {
      if (peer.member.rank != sender || peer.in || !open_) continue;
      set_socket_options(socket, network_.options);
      peer.in = make_channel(std::move(socket), *peer.inbox,
                             [this, &peer] { ended(peer); });
      return;
    }
  }

  void close() {
    if (!open_) return;
    open_ = false;
    network_.set_taker(nullptr);
    timer_.cancel();
    for (Peer& peer : peers_) {
      end_connection(peer);
    }
    ring(seat_.board().slot_data(seat_.slot()).doorbell);
  }

  // `done` is set once all have been told.
  void leave(const std::shared_ptr<std::promise<void>>& done) {
    leaving_ = true;
    for (Peer& peer : peers_) {
      if (!peer.out) continue;
      ++unsent_;
      FrameHeader goodbye;
      goodbye.kind = FrameKind::kGoodbye;
      stamp(goodbye);
      peer.out->write({goodbye, {}, nullptr});
    }
    left_ = done;
    look_whether_left();
  }

 private:
  struct Peer {
    config::Member member;
    Inbox* inbox;
    std::shared_ptr<tcp::socket> dialling;
    std::shared_ptr<Channel> out;   // once dialling succeeded
    std::shared_ptr<Channel> in;    // once the peer did
    std::vector<OutFrame> waiting;  // for `out`
    int looks_since_end = 0;        // of `out`; 0: it has not ended
  };

  void stamp(FrameHeader& header) const {
    header.run = network_.run;
    header.view = view_;
    header.sender = network_.rank;
  }

  void dial(Peer& peer) {
    const auto socket = std::make_shared<tcp::socket>(network_.io);
    peer.dialling = socket;
    socket->async_connect(
        to_asio(peer.member.endpoint),
        [self = shared_from_this(), &peer, socket](const asio::error_code& e) {
          if (!self->open_) return;
          if (e) return self->lost(peer);
          self->connected(peer, std::move(*socket));
        });
  }

  std::shared_ptr<Channel> make_channel(tcp::socket socket, FrameSink& sink,
                                        std::function<void()> on_end) {
    Channel::Events events;
    events.on_frame = [this] { ring_own_bell(); };
    events.on_written = [self = weak_from_this()] {
      if (const auto state = self.lock()) state->one_written();
    };
    events.on_end = std::move(on_end);
    const auto channel = std::make_shared<Channel>(
        std::move(socket), network_.run, sink, std::move(events));
    channel->start();
    return channel;
  }

  void connected(Peer& peer, tcp::socket socket) {
    set_socket_options(socket, network_.options);
    peer.out = make_channel(std::move(socket), nothing_expected_,
                            [&peer] { peer.looks_since_end = 1; });
    ++unsent_;
    FrameHeader hello;
    hello.kind = FrameKind::kHello;
    stamp(hello);
    hello.a = peer.member.rank;
    peer.out->write({hello, {}, nullptr});
    for (OutFrame& frame : std::exchange(peer.waiting, {})) {
      peer.out->write(std::move(frame));
    }
  }

  void write(Peer& peer, OutFrame frame) {
    if (!open_) return one_written();
    if (peer.out) return peer.out->write(std::move(frame));
    peer.waiting.push_back(std::move(frame));
  }

  void end_connection(Peer& peer) {
    asio::error_code ignored;
    if (peer.dialling) peer.dialling->close(ignored);
    if (peer.out) peer.out->close();
    if (peer.in) peer.in->close();
    for (size_t i = 0; i < std::exchange(peer.waiting, {}).size(); ++i) {
      one_written();
    }
  }

  void one_written() {
    if (--unsent_ == 0) ring_own_bell();
    look_whether_left();
  }

  void ring_own_bell() const {
    ring(seat_.board().slot_data(seat_.slot()).doorbell);
  }

  void ended(const Peer& peer) {
    if (peer.inbox->has_left()) {
      ring_own_bell();  // whoever still waits for it has waited enough
    } else if (!leaving_) {
      lost(peer);
    }
  }

  void lost(const Peer& peer) {
    seat_.cannot_reach(peer.member.rank);
    seat_.board().disturb_view(view_);
    close();
  }

  void look_later() {
    timer_.expires_after(to_asio(network_.options.look_seconds));
    timer_.async_wait(
        [self = weak_from_this()](const asio::error_code& cancelled) {
          const auto state = self.lock();
          if (!cancelled && state && state->open_) state->look();
        });
  }

  void look() {
    if (!leaving_ && !seat_.in_force(view_)) return close();
    seconds_ += network_.options.look_seconds;
    for (Peer& peer : peers_) {
      if (!leaving_ && is_gone(peer)) return lost(peer);
    }
    beat();
    look_later();
  }

  bool is_gone(Peer& peer) const {
    if (!peer.out) return seconds_ > network_.options.connect_seconds;
    if (peer.looks_since_end == 0 || peer.inbox->has_left()) return false;
    return ++peer.looks_since_end > kLooksForGoodbye;
  }

  void beat() {
    if (seconds_ < next_beat_ || leaving_) return;
    next_beat_ = seconds_ + network_.options.beat_seconds;
    FrameHeader beat;
    stamp(beat);
    for (const Peer& peer : peers_) {
      if (!peer.out || !peer.out->is_idle()) continue;
      ++unsent_;
      peer.out->write({beat, {}, nullptr});
    }
  }

  void look_whether_left() {
    if (!left_ || unsent_ != 0) return;
    std::exchange(left_, nullptr)->set_value();
  }

  Network::State& network_;
  const Seat& seat_;
  const int64_t view_;
  asio::steady_timer timer_;
  NothingExpected nothing_expected_;
  std::vector<Peer> peers_;
  std::atomic<int64_t> unsent_{0};
  bool open_ = true;
  bool leaving_ = false;
  double seconds_ = 0, next_beat_ = 0;  // by the looks
  std::shared_ptr<std::promise<void>> left_;
};

Mesh::Mesh(Network& network, const Seat& seat, int64_t view,
           const std::vector<config::Member>& members,
           const std::vector<std::unique_ptr<Inbox>>& inboxes)
    : network_(network.state()),
      state_(std::make_shared<State>(network_, seat, view, members, inboxes)) {
  for (const config::Member& member : members) {
    if (member.endpoint.port == 0) {
      throw run_error(
          "view {} does not say where rank {} of machine {} listens", view,
          member.rank, member.machine);
    }
  }
  seat.cannot_reach(-1);
  network_.in_thread([this] { state_->open(); });
}

Mesh::~Mesh() {
  network_.in_thread([this] { state_->close(); });
}

void Mesh::send(size_t index, const FrameHeader& header,
                std::span<const std::byte> payload) {
  state_->send(index, {header, payload, nullptr});
}

void Mesh::send(size_t index, const FrameHeader& header,
                const std::shared_ptr<const std::vector<double>>& values) {
  state_->send(index, {header, std::as_bytes(std::span(*values)), values});
}

bool Mesh::all_sent() const { return state_->all_sent(); }

void Mesh::leave() {
  const auto done = std::make_shared<std::promise<void>>();
  network_.in_thread([&] { state_->leave(done); });
  done->get_future().wait_for(std::chrono::seconds(1));
}

}  // namespace colossus::distributed
