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

class Mesh::State : public HelloTaker,
                    public std::enable_shared_from_this<State> {
 public:
  State(Network::State& network, const Seat& seat, int64_t view,
        const std::vector<config::Member>& members,
        const std::vector<std::unique_ptr<Inbox>>& inboxes)
      : network_(network), seat_(seat), view_(view), timer_(network.io) {
    for (size_t i = 0; i < members.size(); ++i) {
      peers_.push_back(
          Peer{members[i], inboxes[i].get(), nullptr, nullptr, {}});
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
    for (Peer& peer : peers_) {
      if (peer.member.rank < network_.rank) dial(peer);
    }
    look_later();
  }

  int64_t view() const override { return view_; }

  void take(int64_t sender, tcp::socket socket) override {
    for (Peer& peer : peers_) {
      const bool awaited = peer.member.rank == sender &&
                           sender > network_.rank && peer.channel == nullptr;
      if (awaited && open_) return connected(peer, std::move(socket));
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
      if (!peer.channel) continue;
      ++unsent_;
      FrameHeader goodbye;
      goodbye.kind = FrameKind::kGoodbye;
      stamp(goodbye);
      peer.channel->write({goodbye, {}, nullptr});
    }
    left_ = done;
    look_whether_left();
  }

 private:
  struct Peer {
    config::Member member;
    Inbox* inbox;
    std::shared_ptr<tcp::socket> dialling;
    std::shared_ptr<Channel> channel;
    std::vector<OutFrame> waiting;  // until it is connected
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

  void connected(Peer& peer, tcp::socket socket) {
    set_socket_options(socket, network_.options);
    Channel::Events events;
    events.on_frame = [this] { ring_own_bell(); };
    events.on_written = [self = weak_from_this()] {
      if (const auto state = self.lock()) state->one_written();
    };
    events.on_end = [this, &peer] { ended(peer); };
    peer.channel = std::make_shared<Channel>(std::move(socket), network_.run,
                                             *peer.inbox, std::move(events));
    if (peer.member.rank < network_.rank) say_hello(peer);
    for (OutFrame& frame : std::exchange(peer.waiting, {})) {
      peer.channel->write(std::move(frame));
    }
    peer.channel->start();
  }

  void say_hello(Peer& peer) {
    ++unsent_;
    FrameHeader hello;
    hello.kind = FrameKind::kHello;
    stamp(hello);
    hello.a = peer.member.rank;
    peer.channel->write({hello, {}, nullptr});
  }

  void write(Peer& peer, OutFrame frame) {
    if (!open_) return one_written();
    if (peer.channel) return peer.channel->write(std::move(frame));
    peer.waiting.push_back(std::move(frame));
  }

  void end_connection(Peer& peer) {
    asio::error_code ignored;
    if (peer.dialling) peer.dialling->close(ignored);
    if (peer.channel && leaving_) peer.channel->part();
    if (peer.channel) peer.channel->close();
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
    for (const Peer& peer : peers_) {
      const bool dialled = peer.member.rank < network_.rank;
      if (dialled && !peer.channel &&
          seconds_ > network_.options.connect_seconds) {
        return lost(peer);
      }
    }
    beat();
    look_later();
  }

  void beat() {
    if (seconds_ < next_beat_ || leaving_) return;
    next_beat_ = seconds_ + network_.options.beat_seconds;
    FrameHeader beat;
    stamp(beat);
    for (const Peer& peer : peers_) {
      if (!peer.channel || !peer.channel->is_idle()) continue;
      ++unsent_;
      peer.channel->write({beat, {}, nullptr});
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
