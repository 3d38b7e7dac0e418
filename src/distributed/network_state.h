// The inside of a Network; private to this folder. All but what is said to be
// of any thread happens in the network's own.
#pragma once

#include <asio.hpp>
#include <cstdint>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "distributed/channel.h"
#include "distributed/frame.h"
#include "distributed/network.h"

namespace colossus::distributed {

// Takes connections of a view from a network that accepts them.
class HelloTaker {
 public:
  virtual ~HelloTaker() = default;
  virtual int64_t view() const = 0;
  // Of rank `sender`, whose hello was read.
  virtual void take(int64_t sender, asio::ip::tcp::socket socket) = 0;
};

class Network::State {
 public:
  State(const Hash128& run, int64_t rank, const NetworkOptions& options);
  ~State();

  const Hash128 run;
  const int64_t rank;
  const NetworkOptions options;
  asio::io_context io;

  config::Endpoint endpoint() const;
  void serve(SliceSource source);  // any thread
  // Does `work` in the network's thread, and returns when it is done. Any other
  // thread.
  void in_thread(const std::function<void()>& work);

  // From now on connections of its view are given to `taker`, those of older
  // views are closed. Null: of no view for now.
  void set_taker(HelloTaker* taker);

 private:
  struct Stranger;
  struct Serving;
  struct Parked {
    int64_t view, sender;
    asio::ip::tcp::socket socket;
  };

  void accept();
  void accept_later();
  void greet(asio::ip::tcp::socket socket);
  void heard(Stranger& stranger);
  void hello(const FrameHeader& header, asio::ip::tcp::socket socket);
  void park(Parked parked);
  void give(const FrameHeader& header, asio::ip::tcp::socket socket);
  void end_gift(const std::shared_ptr<Serving>& serving, bool good);

  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  SliceSource source_;
  HelloTaker* taker_ = nullptr;
  int64_t newest_view_ = 0;
  std::list<Parked> parked_;  // came before this rank was in their view
  int num_strangers_ = 0, num_servings_ = 0;
  std::thread thread_;
};

}  // namespace colossus::distributed
