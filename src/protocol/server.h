// The coordinator's end of the wire: agents attend, commands ask. Calls are
// neither encrypted nor authenticated yet, so it listens on loopback unless its
// user wants otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "protocol/wire.h"

namespace colossus::protocol {

// Answers one call of a command: "", once the wish can not be lost any more, or
// why it is refused. To be called once, in any thread. One that is dropped, or
// outlives the server, has its caller ask again.
using Answer = std::function<void(const std::string& refusal)>;

// Called in threads of the server, at any time between its construction and
// destruction, several at once; what they throw refuses the caller with its
// text.
struct ServerHandlers {
  std::function<Welcome(const Hello&)> hello;
  std::function<void(AgentReport)> report;
  std::function<void(int64_t machine, RankLines)> lines;
  std::function<void(int64_t machine)> gone;  // the agent's connection ended
  std::function<void(const ResizeRequest&, Answer)> resize;
  std::function<void(const StopRequest&, Answer)> stop;
};

class Server {
 public:
  // `address`: "127.0.0.1:0"; port 0 takes a free one. Throws UserError if it
  // cannot listen there.
  Server(const std::string& address, ServerHandlers handlers);
  // Ends all calls; no handler runs any more when it returns.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // With the port that it took.
  const std::string& address() const { return address_; }

  // To the agent of that machine, if it attends. Of orders that wait to be sent
  // the newest replaces the others. Never waits.
  void send(int64_t machine, const ToAgent& word);

 private:
  class State;
  std::string address_;
  std::unique_ptr<State> state_;
};

}  // namespace colossus::protocol
