#include "distributed/network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/frame.h"
#include "distributed/machines_group.h"
#include "distributed/peer_lost.h"
#include "distributed/test_cluster.h"

namespace colossus::distributed {
namespace {

using Fetched = Network::Fetched;

// A connection to a network by hand.
class Stranger {
 public:
  explicit Stranger(const config::Endpoint& to)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(to.address);
    address.sin_port = htons(to.port);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address),
                           sizeof address) == 0;
  }
  ~Stranger() { ::close(fd_); }

  void send(std::span<const std::byte> bytes) const {
    ASSERT_TRUE(connected_);
    ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void send(const FrameHeader& header) const {
    send(encode_frame_header(header));
  }
  void end_of_stream() const { ::shutdown(fd_, SHUT_WR); }
  // That the other side closed, without an answer.
  bool was_closed() const {
    char byte = 0;
    return ::recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  int fd_;
  bool connected_ = false;
};

// A port of this machine that is somebody's, who listens only if asked to.
class Port {
 public:
  explicit Port(bool listens)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    if (listens) {
      EXPECT_EQ(::listen(fd_, 1), 0);
    }
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    endpoint = {INADDR_LOOPBACK, ntohs(address.sin_port)};
  }
  ~Port() { ::close(fd_); }

  config::Endpoint endpoint;

 private:
  int fd_;
};

FrameHeader header_of(FrameKind kind) {
  FrameHeader header;
  header.kind = kind;
  header.run = kTestRun;
  header.view = 1;
  header.sender = 1;
  return header;
}

// Slice 2 of step 5, the owner's copy: 1000 times 1, 2 and 3.
class Giver {
 public:
  explicit Giver(int64_t rank) : network(kTestRun, rank, patient_network()) {
    network.serve(
        [this](const SliceRequest& request) { return find(request); });
  }

  std::vector<float> w = std::vector<float>(1000, 1.0f),
                     m = std::vector<float>(1000, 2.0f),
                     v = std::vector<float>(1000, 3.0f);
  const Hash128 hash = {11, 22};
  std::atomic<int> times{1000};  // that the slice is found
  Network network;               // ends first

 private:
  std::optional<StoredSlice> find(const SliceRequest& request) {
    const bool there = request.copy == 0 && request.slice == 2 &&
                       request.step == 5 && times-- > 0;
    if (!there) return std::nullopt;
    return StoredSlice{{w, m, v}, hash};
  }
};

class SliceFetch : public testing::Test {
 protected:
  Fetched fetch(const config::Endpoint& from, int64_t copy, int64_t step) {
    return taker_.fetch(from, {7, copy, 2, step}, {w, m, v}, hash,
                        [] { return true; });
  }

  Network taker_{kTestRun, 1, patient_network()};
  Giver giver_{0};
  std::vector<float> w = std::vector<float>(1000), m = w, v = w;
  Hash128 hash;
};

TEST_F(SliceFetch, BringsWeightsAndMomentsAndTheirHash) {
  EXPECT_EQ(fetch(giver_.network.endpoint(), 0, 5), Fetched::kWhole);
  EXPECT_EQ(w, giver_.w);
  EXPECT_EQ(m, giver_.m);
  EXPECT_EQ(v, giver_.v);
  EXPECT_EQ(hash, giver_.hash);
}

TEST_F(SliceFetch, SaysWhatWasWrong) {
  const config::Endpoint from = giver_.network.endpoint();
  EXPECT_EQ(fetch(from, 1, 5), Fetched::kNotThere);
  EXPECT_EQ(fetch(from, 0, 6), Fetched::kNotThere);
  // Overwritten while it was on its way.
  giver_.times = 1;
  EXPECT_EQ(fetch(from, 0, 5), Fetched::kNotThere);
  // A slice of another size.
  giver_.times = 1000;
  giver_.v.resize(999);
  EXPECT_EQ(fetch(from, 0, 5), Fetched::kFailed);
  const Port deaf(false);
  EXPECT_EQ(fetch(deaf.endpoint, 0, 5), Fetched::kFailed);
  // One that gives nothing.
  Network silent(kTestRun, 3, patient_network());
  EXPECT_EQ(fetch(silent.endpoint(), 0, 5), Fetched::kFailed);
  // One of another run.
  Network other({9, 9}, 3, patient_network());
  EXPECT_EQ(fetch(other.endpoint(), 0, 5), Fetched::kFailed);
}

TEST_F(SliceFetch, EndsWhenTheViewDoes) {
  const Port mute(true);
  int looks = 0;
  EXPECT_EQ(taker_.fetch(mute.endpoint, {7, 0, 2, 5}, {w, m, v}, hash,
                         [&] { return ++looks < 3; }),
            Fetched::kFailed);
}

TEST_F(SliceFetch, IsRefusedToWhoIsInAnOlderView) {
  TestCluster cluster({0, 1}, 2);
  cluster.network(0).serve([&](const SliceRequest&) {
    return StoredSlice{{giver_.w, giver_.m, giver_.v}, giver_.hash};
  });
  const config::Endpoint from = cluster.network(0).endpoint();
  EXPECT_EQ(fetch(from, 0, 5), Fetched::kWhole);  // in view 7
  const config::View view = cluster.begin(8, {0, 1}, even_placement({0, 1}, 2));
  cluster.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    MachinesGroup(view, seat, cluster.machine_with(seat.rank()).windows(), pool,
                  cluster.network(seat.rank()))
        .meet();
  });
  EXPECT_EQ(fetch(from, 0, 5), Fetched::kFailed);
}

TEST_F(SliceFetch, GoesOnWhateverStrangersSend) {
  const config::Endpoint port = giver_.network.endpoint();
  const std::vector<std::byte> garbage(1000, std::byte{0x5a});
  std::vector<FrameHeader> bad;
  bad.push_back(header_of(FrameKind::kMeet));  // no way to begin
  bad.push_back(header_of(FrameKind::kHello));
  bad.back().a = 4;  // for another rank
  bad.push_back(header_of(FrameKind::kHello));
  bad.back().view = 0;  // over
  bad.push_back(header_of(FrameKind::kSliceRequest));
  bad.back().payload_bytes = uint64_t{1} << 60;
  bad.push_back(header_of(FrameKind::kHello));
  bad.back().run = {5, 5};
  for (const FrameHeader& header : bad) {
    const Stranger stranger(port);
    stranger.send(header);
    EXPECT_TRUE(stranger.was_closed()) << static_cast<int>(header.kind);
  }
  const Stranger noise(port), cut(port);
  noise.send(garbage);
  EXPECT_TRUE(noise.was_closed());
  cut.send(std::span(garbage).first(20));
  cut.end_of_stream();
  EXPECT_TRUE(cut.was_closed());
  EXPECT_EQ(fetch(port, 0, 5), Fetched::kWhole);
}

// What comes over a connection of a view ends it, and with it the view; what
// strangers send beside it does not.
TEST(NetworkInAView, EndsAConnectionOnWhichNonsenseComes) {
  for (const bool of_view : {false, true}) {
    TestCluster cluster({0, 1}, 2);
    const config::View view =
        cluster.begin(1, {0, 1}, even_placement({0, 1}, 2));
    std::atomic<bool> lost{false};
    cluster.run_threads([&](Seat& seat) {
      if (seat.rank() == 1) return;  // played by hand
      ThreadPool pool(1);
      MachinesGroup group(view, seat, cluster.machine(0).windows(), pool,
                          cluster.network(0));
      const Stranger peer(cluster.network(0).endpoint());
      peer.send(header_of(FrameKind::kHello));
      FrameHeader meet = header_of(FrameKind::kMeet);
      meet.round = 1;
      peer.send(meet);
      group.meet();
      const Stranger stranger(cluster.network(0).endpoint());
      const std::vector<std::byte> garbage(1000, std::byte{0x5a});
      (of_view ? peer : stranger).send(garbage);
      if (!of_view) {
        EXPECT_TRUE(stranger.was_closed());
        meet.round = 2;
        peer.send(meet);
      }
      try {
        group.meet();
      } catch (const PeerLost&) {
        lost = true;
      }
    });
    EXPECT_EQ(lost, of_view);
  }
}

TEST(Network, RefusesAnAddressThatIsNotThisMachines) {
  EXPECT_THROW(Network(kTestRun, 0, {.address = "localhost"}), RunError);
  EXPECT_THROW(Network(kTestRun, 0, {.address = "192.0.2.1"}), RunError);
}

}  // namespace
}  // namespace colossus::distributed
