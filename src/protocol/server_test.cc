// Server and client over loopback, and whatever else may reach the port.
#include "protocol/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "protocol/client.h"
#include "protocol/coordination.grpc.pb.h"

namespace colossus::protocol {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kAnyPort = "127.0.0.1:0";
constexpr double kAskSeconds = 60;  // that no test is to reach

// What several threads say, for one that waits to hear it.
template <typename Said>
class Heard {
 public:
  void add(Said said) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(said));
    more_.notify_all();
  }
  std::vector<Said> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  // False if it does not come to that within a minute.
  bool wait_until(const std::function<bool(const std::vector<Said>&)>& holds) {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, std::chrono::minutes(1),
                          [&] { return holds(all_); });
  }
  bool wait_for_number(size_t number) {
    return wait_until([=](const auto& all) { return all.size() >= number; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::vector<Said> all_;
};

Hello hello_of(int64_t pid, const std::string& host = "") {
  Hello hello;
  hello.run = {1, 2};
  hello.pid = pid;
  hello.host = host;
  return hello;
}

// A coordinator that welcomes everybody as machine 0 and keeps what it hears.
class Coordinator {
 public:
  explicit Coordinator(const std::string& address = kAnyPort)
      : server_(std::in_place, address, handlers()) {}

  Server& server() { return *server_; }
  const std::string& address() const { return server_->address(); }
  void end() { server_.reset(); }

  Heard<Hello> hellos;
  Heard<AgentReport> reports;
  Heard<RankLines> lines;
  Heard<int64_t> gone;
  Heard<ResizeRequest> resizes;
  Heard<StopRequest> stops;
  std::atomic<bool> keeps_stops_waiting{false};
  Heard<Answer> waiting;  // of the stops

 private:
  ServerHandlers handlers() {
    return {
        .hello =
            [this](const Hello& hello) {
              if (hello.host == "stranger") throw UserError("of another run");
              hellos.add(hello);
              return Welcome{.machine = 0, .incarnation = hello.pid};
            },
        .report = [this](AgentReport report) { reports.add(report); },
        .lines = [this](int64_t, RankLines said) { lines.add(said); },
        .gone = [this](int64_t machine) { gone.add(machine); },
        .resize =
            [this](const ResizeRequest& request, const Answer& answer) {
              if (request.ranks > 4) throw UserError("at most 4 ranks");
              resizes.add(request);
              answer(request.ranks > 3 ? "not now" : "");
            },
        .stop =
            [this](const StopRequest& request, const Answer& answer) {
              stops.add(request);
              if (keeps_stops_waiting) {
                waiting.add(answer);
              } else {
                answer("");
              }
            },
    };
  }

  std::optional<Server> server_;
};

struct End {
  std::string why;
  bool refused = false;
};

class TestAgent {
 public:
  explicit TestAgent(const std::string& address, const Hello& hello = {})
      : connection_(std::in_place, address, hello,
                    AgentConnection::Handlers{
                        [this](const ToAgent& word) { words.add(word); },
                        [this](const std::string& why, bool refused) {
                          ends.add({why, refused});
                        }}) {}

  void send(const FromAgent& word) { connection_->send(word); }
  void leave() { connection_.reset(); }
  // The versions of the orders so far.
  static std::vector<int64_t> versions(const std::vector<ToAgent>& words) {
    std::vector<int64_t> found;
    for (const ToAgent& word : words) {
      if (const auto* orders = std::get_if<AgentOrders>(&word)) {
        found.push_back(orders->version);
      }
    }
    return found;
  }

  Heard<ToAgent> words;
  Heard<End> ends;

 private:
  std::optional<AgentConnection> connection_;
};

AgentReport numbered_report(int64_t sequence) {
  AgentReport report;
  report.sequence = sequence;
  return report;
}

AgentOrders orders_of(int64_t version) {
  AgentOrders orders;
  orders.version = version;
  return orders;
}

// Still serves whoever behaves.
void expect_works(Coordinator& coordinator) {
  TestAgent agent(coordinator.address());
  EXPECT_TRUE(agent.words.wait_for_number(1));
  const size_t before = coordinator.stops.all().size();
  ask(coordinator.address(), StopRequest{"look"}, kAskSeconds);
  EXPECT_EQ(coordinator.stops.all().size(), before + 1);
}

TEST(Server, TellsThePortThatItTook) {
  const Coordinator coordinator;
  EXPECT_TRUE(coordinator.address().starts_with("127.0.0.1:"));
  EXPECT_NE(coordinator.address(), kAnyPort);
}

TEST(Server, RefusesAnAddressThatIsTaken) {
  const Coordinator coordinator;
  try {
    const Coordinator second(coordinator.address());
    FAIL() << "two servers at one address";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(coordinator.address()));
  }
}

TEST(Server, WelcomesAnAgentAndHearsItsReports) {
  Coordinator coordinator;
  TestAgent agent(coordinator.address(), hello_of(77));
  ASSERT_TRUE(agent.words.wait_for_number(1));
  EXPECT_EQ(std::get<Welcome>(agent.words.all()[0]).incarnation, 77);
  EXPECT_EQ(coordinator.hellos.all()[0].run, (Hash128{1, 2}));
  agent.send(numbered_report(5));
  ASSERT_TRUE(coordinator.reports.wait_for_number(1));
  EXPECT_EQ(coordinator.reports.all()[0].sequence, 5);
}

// Orders that waited may have been replaced; none overtakes another.
TEST(Server, SendsOrdersInOrderAndTheNewestForSure) {
  constexpr int64_t kLast = 2000;
  Coordinator coordinator;
  TestAgent agent(coordinator.address());
  ASSERT_TRUE(agent.words.wait_for_number(1));
  // It attends once it was heard.
  agent.send(numbered_report(1));
  ASSERT_TRUE(coordinator.reports.wait_for_number(1));
  for (int64_t version = 1; version <= kLast; ++version) {
    coordinator.server().send(0, orders_of(version));
  }
  ASSERT_TRUE(agent.words.wait_until([](const auto& words) {
    const auto* orders = std::get_if<AgentOrders>(&words.back());
    return orders != nullptr && orders->version == kLast;
  }));
  const auto versions = TestAgent::versions(agent.words.all());
  EXPECT_TRUE(std::is_sorted(versions.begin(), versions.end()));
}

TEST(Server, SendsNothingToAMachineThatDoesNotAttend) {
  Coordinator coordinator;
  coordinator.server().send(5, orders_of(1));
  expect_works(coordinator);
}

// Reports replace each other, lines never do.
TEST(Client, LosesNoLinesAndSendsTheNewestReport) {
  constexpr int64_t kLast = 500;
  Coordinator coordinator;
  TestAgent agent(coordinator.address());
  for (int64_t i = 1; i <= kLast; ++i) {
    agent.send(numbered_report(i));
    agent.send(RankLines{.rank = i, .lines = {"line"}, .ends = {1}});
  }
  ASSERT_TRUE(coordinator.lines.wait_for_number(kLast));
  const std::vector<RankLines> lines = coordinator.lines.all();
  for (int64_t i = 1; i <= kLast; ++i) {
    ASSERT_EQ(lines[static_cast<size_t>(i - 1)].rank, i);
  }
  ASSERT_TRUE(coordinator.reports.wait_until(
      [](const auto& reports) { return reports.back().sequence == kLast; }));
}

TEST(Client, HearsWhyItWasRefused) {
  Coordinator coordinator;
  TestAgent agent(coordinator.address(), hello_of(1, "stranger"));
  ASSERT_TRUE(agent.ends.wait_for_number(1));
  EXPECT_TRUE(agent.ends.all()[0].refused);
  EXPECT_EQ(agent.ends.all()[0].why, "of another run");
  EXPECT_TRUE(agent.words.all().empty());
}

TEST(Client, NoticesTheEndOfTheCoordinatorWhichIsNoRefusal) {
  auto coordinator = std::make_unique<Coordinator>();
  TestAgent agent(coordinator->address());
  ASSERT_TRUE(agent.words.wait_for_number(1));
  coordinator.reset();
  ASSERT_TRUE(agent.ends.wait_for_number(1));
  EXPECT_FALSE(agent.ends.all()[0].refused);
  agent.send(numbered_report(1));  // to nobody
}

std::string address_of_nobody() { return Coordinator().address(); }

TEST(Client, EndsWhereNobodyListens) {
  TestAgent agent(address_of_nobody());
  ASSERT_TRUE(agent.ends.wait_for_number(1));
  EXPECT_FALSE(agent.ends.all()[0].refused);
}

TEST(Client, MayLeaveAtAnyMoment) {
  Coordinator coordinator;
  for (int i = 0; i < 20; ++i) {
    TestAgent agent(coordinator.address());
    agent.send(numbered_report(1));
    if (i % 2 == 1) agent.words.wait_for_number(1);
    agent.leave();
    EXPECT_EQ(agent.ends.all().size(), 1u);
  }
}

TEST(Ask, BringsTheRequestAndItsRefusal) {
  Coordinator coordinator;
  ask(coordinator.address(), ResizeRequest{3, 1, "more"}, kAskSeconds);
  ASSERT_EQ(coordinator.resizes.all().size(), 1u);
  EXPECT_EQ(coordinator.resizes.all()[0].ranks, 3);
  EXPECT_EQ(coordinator.resizes.all()[0].spares, 1);
  EXPECT_EQ(coordinator.resizes.all()[0].reason, "more");
  for (const auto& [ranks, refusal] :
       {std::pair(5, "at most 4 ranks"), std::pair(4, "not now")}) {
    try {
      ask(coordinator.address(), ResizeRequest{ranks, 0, "more"}, kAskSeconds);
      FAIL() << "not refused";
    } catch (const UserError& error) {
      EXPECT_STREQ(error.what(), refusal);
    }
  }
  // Out of the wire's bounds.
  EXPECT_THROW(ask(coordinator.address(), ResizeRequest{0, 0, ""}, kAskSeconds),
               UserError);
}

TEST(Ask, ReturnsWhenItIsAnsweredAndNotBefore) {
  Coordinator coordinator;
  coordinator.keeps_stops_waiting = true;
  std::atomic<bool> answered{false};
  auto asked = std::async(std::launch::async, [&] {
    ask(coordinator.address(), StopRequest{"enough", true}, kAskSeconds);
    EXPECT_TRUE(answered);
  });
  ASSERT_TRUE(coordinator.waiting.wait_for_number(1));
  EXPECT_TRUE(coordinator.stops.all()[0].at_once);
  EXPECT_EQ(asked.wait_for(std::chrono::milliseconds(1)),
            std::future_status::timeout);
  answered = true;
  const Answer answer = coordinator.waiting.all()[0];
  answer("");
  asked.get();
  answer("a second answer");  // nobody hears it
  coordinator.end();
  answer("");
}

TEST(Ask, HearsThatACoordinatorEndsWithoutAnAnswer) {
  Coordinator coordinator;
  coordinator.keeps_stops_waiting = true;
  auto asked = std::async(std::launch::async, [&] {
    EXPECT_THROW(ask(coordinator.address(), StopRequest{"enough"}, kAskSeconds),
                 RunError);
  });
  ASSERT_TRUE(coordinator.waiting.wait_for_number(1));
  coordinator.end();
  asked.get();
}

TEST(Ask, HearsThatItsAnswerWasDropped) {
  ServerHandlers handlers;
  handlers.resize = [](const ResizeRequest&, const Answer&) {};
  const Server server(kAnyPort, handlers);
  EXPECT_THROW(ask(server.address(), ResizeRequest{1, 0, ""}, kAskSeconds),
               RunError);
}

TEST(Ask, GivesUpWhereNobodyAnswers) {
  const std::string address = address_of_nobody();
  try {
    ask(address, StopRequest{"enough"}, 0.2);
    FAIL() << "somebody answered";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr(address));
  }
}

// --- A second agent of one machine. ---

TEST(Server, ASuccessorOfAnAgentTakesItsPlace) {
  Coordinator coordinator;
  TestAgent first(coordinator.address(), hello_of(1));
  first.send(numbered_report(1));
  ASSERT_TRUE(coordinator.reports.wait_for_number(1));
  TestAgent second(coordinator.address(), hello_of(2));
  second.send(numbered_report(2));
  ASSERT_TRUE(coordinator.reports.wait_for_number(2));
  first.leave();
  EXPECT_TRUE(TestAgent::versions(first.words.all()).empty());
  coordinator.server().send(0, orders_of(9));
  ASSERT_TRUE(second.words.wait_for_number(2));
  EXPECT_THAT(TestAgent::versions(second.words.all()), ElementsAre(9));
  second.leave();
  ASSERT_TRUE(coordinator.gone.wait_for_number(1));
  coordinator.end();  // both calls are done with
  EXPECT_THAT(coordinator.gone.all(), ElementsAre(0));
}

// --- Agents that do not keep to the protocol. ---

// What an agent says, message by message, and how the server ends the call.
grpc::Status say(const std::string& address,
                 const std::vector<v1::FromAgent>& words) {
  const auto stub = v1::Coordination::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::minutes(1));
  const auto call = stub->Attend(&context);
  for (const v1::FromAgent& word : words) {
    if (!call->Write(word)) break;
  }
  v1::ToAgent answer;
  while (call->Read(&answer)) {
  }
  return call->Finish();
}

v1::FromAgent wire_of(const FromAgent& word) {
  v1::FromAgent message;
  encode(word, message);
  return message;
}

void expect_ended(const grpc::Status& status, const std::string& reason) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr(reason));
}

TEST(Protocol, EverybodySaysHelloFirstAndOnce) {
  Coordinator coordinator;
  const std::string address = coordinator.address();
  const v1::FromAgent hello = wire_of(Hello());
  expect_ended(say(address, {wire_of(AgentReport())}), "no hello first");
  expect_ended(say(address, {wire_of(RankLines())}), "no hello first");
  EXPECT_TRUE(coordinator.hellos.all().empty());
  EXPECT_TRUE(coordinator.reports.all().empty());
  expect_ended(say(address, {hello, hello}), "a second hello");
  expect_works(coordinator);
}

TEST(Protocol, NobodyReportsForAnotherMachine) {
  Coordinator coordinator;
  AgentReport report;
  report.machine = 1;
  expect_ended(say(coordinator.address(), {wire_of(Hello()), wire_of(report)}),
               "a report of another machine");
  EXPECT_TRUE(coordinator.reports.all().empty());
  ASSERT_TRUE(coordinator.gone.wait_for_number(1));
  expect_works(coordinator);
}

TEST(Protocol, AnotherVersionIsRefusedWithAWayOut) {
  Coordinator coordinator;
  v1::FromAgent hello = wire_of(Hello());
  hello.mutable_hello()->set_protocol_version(kProtocolVersion + 1);
  expect_ended(say(coordinator.address(), {hello}), "use the same program");
}

TEST(Protocol, AMessageOutOfBoundsOrTooLongEndsThatCallOnly) {
  Coordinator coordinator;
  const v1::FromAgent hello = wire_of(Hello());
  expect_ended(say(coordinator.address(), {v1::FromAgent()}), "nothing");
  v1::FromAgent lines = wire_of(RankLines());
  const std::string line(kMaxLineBytes, 'x');
  for (size_t i = 0; i <= kMaxMessageBytes / kMaxLineBytes; ++i) {
    lines.mutable_lines()->add_lines(line);
    lines.mutable_lines()->add_ends(static_cast<int64_t>(i) + 1);
  }
  EXPECT_FALSE(say(coordinator.address(), {hello, lines}).ok());
  EXPECT_TRUE(coordinator.lines.all().empty());
  ASSERT_TRUE(coordinator.gone.wait_for_number(1));
  expect_works(coordinator);
}

// --- What is no gRPC at all. ---

class RawConnection {
 public:
  explicit RawConnection(const std::string& address)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    to.sin_port = ::htons(static_cast<uint16_t>(
        std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  }
  ~RawConnection() { ::close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void send(const std::string& bytes) const {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              std::ssize(bytes));
  }
  // Reads until the server ends the connection; whether it does in a minute.
  bool wait_for_end() const {
    const timeval minute = {60, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof(minute));
    std::string bytes(4096, '\0');
    ssize_t got = 1;
    while (got > 0) got = ::recv(fd_, bytes.data(), bytes.size(), 0);
    return got == 0 || errno == ECONNRESET;
  }

 private:
  int fd_;
};

constexpr const char* kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string frame(uint32_t length, char type, const std::string& payload) {
  std::string bytes;
  for (const int shift : {16, 8, 0}) {
    bytes += static_cast<char>(length >> shift & 0xff);
  }
  bytes += type;
  bytes += std::string(1, '\0');        // flags
  bytes += std::string("\0\0\0\1", 4);  // stream
  return bytes + payload;
}

TEST(Port, GarbageEndsItsOwnConnection) {
  Coordinator coordinator;
  TestAgent agent(coordinator.address());
  ASSERT_TRUE(agent.words.wait_for_number(1));
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  const std::string starts[] = {
      std::string("\x16\x03\x01\x02\x00\x01", 6) + std::string(600, '\x55'),
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(600, 'x'),
      std::string(4096, '\0'),
      // A frame of the greatest length that its header can name.
      kPreface + settings + frame(0xffffff, 0, std::string(100, 'x')),
      // Headers that are no HPACK.
      kPreface + settings + frame(8, 1, std::string(8, '\xff')),
  };
  for (const std::string& bytes : starts) {
    const RawConnection connection(coordinator.address());
    connection.send(bytes);
    EXPECT_TRUE(connection.wait_for_end());
  }
  expect_works(coordinator);
  agent.send(numbered_report(3));  // as if nothing had been
  EXPECT_TRUE(coordinator.reports.wait_for_number(1));
  EXPECT_TRUE(agent.ends.all().empty());
}

TEST(Port, ACutFrameAndASilentConnectionHinderNobody) {
  Coordinator coordinator;
  const RawConnection silent(coordinator.address());
  {
    const RawConnection cut(coordinator.address());
    cut.send(kPreface + frame(100, 0, "only ten b"));
  }
  expect_works(coordinator);
}

}  // namespace
}  // namespace colossus::protocol
