#include "protocol/client.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "protocol/coordination.grpc.pb.h"
#include "protocol/grpc_log.h"

namespace colossus::protocol {
namespace {

// After so long without an answer to a ping the coordinator counts as gone.
constexpr int kPingEveryMs = 200;
constexpr int kPingTimeoutMs = 500;
constexpr int kConnectBackoffMs = 50;

std::shared_ptr<grpc::Channel> make_channel(const std::string& address) {
  silence_grpc();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kConnectBackoffMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectBackoffMs);
  // No memory of earlier failures, no proxy between.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

bool is_refusal(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::FAILED_PRECONDITION ||
         status.error_code() == grpc::StatusCode::INVALID_ARGUMENT;
}

}  // namespace

class AgentConnection::Call final
    : public grpc::ClientBidiReactor<v1::FromAgent, v1::ToAgent> {
 public:
  Call(const std::string& address, const Hello& hello, Handlers handlers)
      : handlers_(std::move(handlers)),
        stub_(v1::Coordination::NewStub(make_channel(address))) {
    stub_->async()->Attend(&context_, this);
    send(hello);
    StartRead(&in_);
    StartCall();
  }

  void send(const FromAgent& word) {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    const bool report = std::holds_alternative<AgentReport>(word);
    if (report && newest_report_ != nullptr) {
      *newest_report_ = word;
    } else {
      waiting_.push_back(word);
      if (report) newest_report_ = &waiting_.back();
    }
    write_next();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    try {
      handlers_.word(decode(in_));
    } catch (const CorruptFile&) {
      context_.TryCancel();
      return;
    }
    StartRead(&in_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok) write_next();
  }

  void OnDone(const grpc::Status& status) override {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    handlers_.ended(status.ok() ? "the coordinator ended the connection"
                                : status.error_message(),
                    is_refusal(status));
    const std::lock_guard lock(mutex_);
    done_ = true;
    is_done_.notify_all();
  }

  void end() {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    is_done_.wait(lock, [this] { return done_; });
  }

 private:
  // Under mutex_. One write at a time.
  void write_next() {
    if (writing_ || ended_ || waiting_.empty()) return;
    out_.Clear();
    encode(waiting_.front(), out_);
    if (newest_report_ == &waiting_.front()) newest_report_ = nullptr;
    waiting_.pop_front();
    writing_ = true;
    StartWrite(&out_);
  }

  const Handlers handlers_;
  const std::unique_ptr<v1::Coordination::Stub> stub_;
  grpc::ClientContext context_;
  v1::ToAgent in_;

  std::mutex mutex_;  // guards what follows
  v1::FromAgent out_;
  std::deque<FromAgent> waiting_;  // never moved: newest_report_ points into it
  FromAgent* newest_report_ = nullptr;
  bool writing_ = false;
  bool ended_ = false;  // nothing more is sent
  bool done_ = false;   // gRPC is done with this object
  std::condition_variable is_done_;
};

AgentConnection::AgentConnection(const std::string& address, const Hello& hello,
                                 Handlers handlers)
    : call_(std::make_unique<Call>(address, hello, std::move(handlers))) {}

AgentConnection::~AgentConnection() { call_->end(); }

void AgentConnection::send(const FromAgent& word) { call_->send(word); }

namespace {

template <typename Wire, typename Request, typename Call>
void ask_with(const std::string& address, const Request& request,
              double seconds, const Call& call) {
  const auto stub = v1::Coordination::NewStub(make_channel(address));
  grpc::ClientContext context;
  context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
  context.set_wait_for_ready(true);
  Wire wire;
  encode(request, wire);
  v1::Answer answer;
  const grpc::Status status = call(*stub, context, wire, answer);
  if (!status.ok()) {
    throw run_error("the coordinator at {} does not answer: {}", address,
                    status.error_message());
  }
  if (!answer.refusal().empty()) throw UserError(answer.refusal());
}

}  // namespace

void ask(const std::string& address, const ResizeRequest& request,
         double seconds) {
  ask_with<v1::ResizeAsked>(
      address, request, seconds,
      [](auto& stub, auto& context, const auto& wire, auto& answer) {
        return stub.Resize(&context, wire, &answer);
      });
}

void ask(const std::string& address, const StopRequest& request,
         double seconds) {
  ask_with<v1::StopAsked>(
      address, request, seconds,
      [](auto& stub, auto& context, const auto& wire, auto& answer) {
        return stub.Stop(&context, wire, &answer);
      });
}

}  // namespace colossus::protocol
