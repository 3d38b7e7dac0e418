// The wire's other end: an agent's connection to the coordinator, and what
// commands ask of it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "protocol/wire.h"

namespace colossus::protocol {

// One life of a connection: it ends once, for whatever reason, and is then
// made anew.
class AgentConnection {
 public:
  struct Handlers {  // called in threads of the connection, one at a time
    std::function<void(ToAgent)> word;  // a Welcome first
    // The last call. `refused`: by the coordinator, with its reason.
    std::function<void(const std::string& why, bool refused)> ended;
  };

  // Says hello; returns at once.
  AgentConnection(const std::string& address, const Hello& hello,
                  Handlers handlers);
  // No handler runs any more when it returns.
  ~AgentConnection();
  AgentConnection(const AgentConnection&) = delete;
  AgentConnection& operator=(const AgentConnection&) = delete;

  // Of reports that wait to be sent the newest replaces the others. Never
  // waits; dropped after the end.
  void send(const FromAgent& word);

 private:
  class Call;
  std::unique_ptr<Call> call_;
};

// Asks the coordinator at `address`; when it returns, the wish is in the
// journal. Throws UserError with its refusal, RunError if it does not answer
// within `seconds`, or dies meanwhile: its successor may be asked the same.
void ask(const std::string& address, const ResizeRequest& request,
         double seconds);
void ask(const std::string& address, const StopRequest& request,
         double seconds);

}  // namespace colossus::protocol
