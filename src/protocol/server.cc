#include "protocol/server.h"

#include <grpcpp/grpcpp.h>

#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "protocol/coordination.grpc.pb.h"
#include "protocol/grpc_log.h"

namespace colossus::protocol {
namespace {

using grpc::Status;

// An agent that reads nothing is not worth more memory than this.
constexpr size_t kMaxWaitingWords = 1024;

// Runs what a handler does for a caller; its throw becomes the caller's status.
template <typename Work>
Status status_of(const Work& work) {
  try {
    work();
    return Status::OK;
  } catch (const CorruptFile& error) {
    return {grpc::StatusCode::INVALID_ARGUMENT, error.what()};
  } catch (const std::exception& error) {
    return {grpc::StatusCode::FAILED_PRECONDITION, error.what()};
  }
}

// A command's call, until it is answered. gRPC keeps what the pointers point to
// until then.
class WaitingCall {
 public:
  WaitingCall(grpc::ServerUnaryReactor* reactor, v1::Answer* answer)
      : reactor_(reactor), answer_(answer) {}
  ~WaitingCall() { give_up(); }
  WaitingCall(const WaitingCall&) = delete;
  WaitingCall& operator=(const WaitingCall&) = delete;

  void answer(const std::string& refusal) {
    finish([&] {
      answer_->set_refusal(refusal);
      return Status::OK;
    });
  }
  void give_up() {
    finish([] {
      return Status(grpc::StatusCode::UNAVAILABLE, "the coordinator ends");
    });
  }

 private:
  template <typename MakeStatus>
  void finish(const MakeStatus& make_status) {
    const std::lock_guard lock(mutex_);
    if (reactor_ == nullptr) return;
    std::exchange(reactor_, nullptr)->Finish(make_status());
  }

  std::mutex mutex_;
  grpc::ServerUnaryReactor* reactor_;  // null: answered
  v1::Answer* answer_;
};

}  // namespace

class Server::State final : public v1::Coordination::CallbackService {
 public:
  explicit State(ServerHandlers handlers) : handlers_(std::move(handlers)) {}

  int listen(const std::string& address) {
    silence_grpc();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    // One coordinator an address: a second one must not share the port.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    // Agents ping often, to notice a coordinator that stands still.
    builder.AddChannelArgument(
        GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    server_ = builder.BuildAndStart();
    return server_ == nullptr ? 0 : port;
  }

  void shut_down() {
    if (server_ == nullptr) return;
    std::vector<std::weak_ptr<WaitingCall>> calls;
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      calls.swap(calls_);
    }
    for (const auto& waiting : calls) {
      if (const auto call = waiting.lock()) call->give_up();
    }
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  void send(int64_t machine, const ToAgent& word) {
    const std::lock_guard lock(mutex_);
    const auto found = attending_.find(machine);
    if (found != attending_.end()) found->second->send(word);
  }

  grpc::ServerBidiReactor<v1::FromAgent, v1::ToAgent>* Attend(
      grpc::CallbackServerContext* /*context*/) override {
    return new Attendance(*this);
  }

  grpc::ServerUnaryReactor* Resize(grpc::CallbackServerContext* context,
                                   const v1::ResizeAsked* request,
                                   v1::Answer* answer) override {
    return take_call(context, answer, [&](const Answer& say) {
      handlers_.resize(decode(*request), say);
    });
  }

  grpc::ServerUnaryReactor* Stop(grpc::CallbackServerContext* context,
                                 const v1::StopAsked* request,
                                 v1::Answer* answer) override {
    return take_call(context, answer, [&](const Answer& say) {
      handlers_.stop(decode(*request), say);
    });
  }

 private:
  // One agent's call. Lives until gRPC is done with it.
  class Attendance final
      : public grpc::ServerBidiReactor<v1::FromAgent, v1::ToAgent> {
   public:
    explicit Attendance(State& state) : state_(state) { StartRead(&in_); }

    void send(const ToAgent& word) {
      const std::lock_guard lock(mutex_);
      if (finished_) return;
      const bool orders = std::holds_alternative<AgentOrders>(word);
      if (orders && newest_orders_ != nullptr) {
        *newest_orders_ = word;
      } else {
        if (waiting_.size() >= kMaxWaitingWords) return;
        waiting_.push_back(word);
        if (orders) newest_orders_ = &waiting_.back();
      }
      write_next();
    }

    void OnReadDone(bool ok) override {
      if (!ok) return finish(Status::OK);
      const Status status = status_of([this] { take(decode(in_)); });
      if (!status.ok()) return finish(status);
      StartRead(&in_);
    }

    void OnWriteDone(bool ok) override {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (ok) write_next();
    }

    void OnDone() override {
      state_.gone(*this);
      delete this;
    }

   private:
    friend class State;

    void take(FromAgent word) {
      if (const auto* hello = std::get_if<Hello>(&word)) {
        if (machine_ != kNone) throw corrupt_file("message: a second hello");
        const Welcome welcome = state_.handlers_.hello(*hello);
        machine_ = welcome.machine;
        send(welcome);
        state_.came(*this);
        return;
      }
      if (machine_ == kNone) throw corrupt_file("message: no hello first");
      if (auto* report = std::get_if<AgentReport>(&word)) {
        if (report->machine != machine_) {
          throw corrupt_file("message: a report of another machine");
        }
        state_.handlers_.report(std::move(*report));
      } else {
        state_.handlers_.lines(machine_, std::get<RankLines>(std::move(word)));
      }
    }

    void finish(const Status& status) {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(finished_, true)) Finish(status);
    }

    // Under mutex_. One write at a time.
    void write_next() {
      if (writing_ || finished_ || waiting_.empty()) return;
      out_.Clear();
      encode(waiting_.front(), out_);
      if (newest_orders_ == &waiting_.front()) newest_orders_ = nullptr;
      waiting_.pop_front();
      writing_ = true;
      StartWrite(&out_);
    }

    State& state_;
    v1::FromAgent in_;
    int64_t machine_ = kNone;  // of the reading thread, and `gone` after it

    std::mutex mutex_;  // guards what follows
    v1::ToAgent out_;
    std::deque<ToAgent> waiting_;  // never moved: newest_orders_ points into it
    ToAgent* newest_orders_ = nullptr;
    bool writing_ = false;
    bool finished_ = false;
  };

  void came(Attendance& agent) {
    const std::lock_guard lock(mutex_);
    attending_[agent.machine_] = &agent;
  }

  void gone(const Attendance& agent) {
    if (agent.machine_ == kNone) return;
    {
      const std::lock_guard lock(mutex_);
      const auto found = attending_.find(agent.machine_);
      // A successor may have taken its place.
      if (found == attending_.end() || found->second != &agent) return;
      attending_.erase(found);
    }
    handlers_.gone(agent.machine_);
  }

  // `work` hands the call on; its throw refuses it.
  template <typename Work>
  grpc::ServerUnaryReactor* take_call(grpc::CallbackServerContext* context,
                                      v1::Answer* answer, const Work& work) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto call = std::make_shared<WaitingCall>(reactor, answer);
    if (!keep(call)) {
      call->give_up();
      return reactor;
    }
    const Status status = status_of([&] {
      work([call](const std::string& refusal) { call->answer(refusal); });
    });
    if (!status.ok()) call->answer(status.error_message());
    return reactor;
  }

  // False: the server ends.
  bool keep(const std::shared_ptr<WaitingCall>& call) {
    const std::lock_guard lock(mutex_);
    if (ending_) return false;
    std::erase_if(calls_,
                  [](const auto& waiting) { return waiting.expired(); });
    calls_.push_back(call);
    return true;
  }

  const ServerHandlers handlers_;
  std::mutex mutex_;
  std::map<int64_t, Attendance*> attending_;       // by machine
  std::vector<std::weak_ptr<WaitingCall>> calls_;  // answered ones expire
  bool ending_ = false;
  std::unique_ptr<grpc::Server> server_;
};

Server::Server(const std::string& address, ServerHandlers handlers)
    : state_(std::make_unique<State>(std::move(handlers))) {
  const int port = state_->listen(address);
  if (port == 0) {
    throw user_error(
        "cannot listen on {}; give a free address of this machine, or port 0 "
        "for any free one",
        address);
  }
  address_ = address.substr(0, address.rfind(':')) + ":" + std::to_string(port);
}

Server::~Server() { state_->shut_down(); }

void Server::send(int64_t machine, const ToAgent& word) {
  state_->send(machine, word);
}

}  // namespace colossus::protocol
