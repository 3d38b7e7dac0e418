// The process groups, with ranks as processes, all on one machine or each on
// one of its own (which share this computer, and talk over TCP): how soon a
// loss reaches the last survivor, and how fast a step's exchange is.
//
// The program is agent and rank: as a rank it starts itself anew with --rank.
#include <fmt/core.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/machines_group.h"
#include "distributed/network.h"
#include "distributed/peer_lost.h"
#include "distributed/process.h"
#include "distributed/shared_memory_group.h"
#include "distributed/watcher.h"

namespace colossus::bench {
namespace {

using namespace distributed;

constexpr Hash128 kRun = {7, 7};
constexpr int64_t kPaddedCount = int64_t{4} << 20;  // floats: 16 MB
constexpr int64_t kNumShards = 8;
constexpr double kLong = 120;

struct Options {
  int repeats = 20;
  int steps = 40;
  // Of a rank.
  std::string role;
  int slot = 0, num_slots = 4;
  int64_t touched_mb = 0;
};

WindowsLayout layout_of(int num_slots) { return {num_slots, 4, kPaddedCount}; }

// The same clock in every process of the machine.
double now() { return real_clock().steady_seconds(); }

// --- The rank. ---

void compute_forever(ThreadPool& pool) {
  pool.run(int64_t{1} << 40, [](int64_t, int) {
    volatile float x = 1;
    for (int i = 0; i < 20'000; ++i) x = x * 0.5f + 1.0f;
  });
}

// Small pages, as they come: the slowest to free.
void touch(int64_t megabytes) {
  const size_t bytes = static_cast<size_t>(megabytes) << 20;
  if (bytes == 0) return;
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw run_error("cannot take {} MB", megabytes);
  std::memset(data, 1, bytes);
}

// Reduces and gathers; seconds of each, the median, go to the slot.
void exchange(Seat& seat, ProcessGroup& group, int steps) {
  for (size_t b = 0; b < group.blocks().size(); ++b) {
    std::fill_n(group.gradient(static_cast<int64_t>(b)), kPaddedCount, 1.0f);
  }
  std::vector<float> total(static_cast<size_t>(kPaddedCount), 1);
  std::vector<float> full(total);
  std::fill_n(group.updated(), kPaddedCount, 1.0f);
  SlicesOut total_S;
  for (int64_t slice = 0; slice < kNumShards; ++slice) {
    total_S.push_back(
        &total[static_cast<size_t>(slice * kPaddedCount / kNumShards)]);
  }
  std::vector<double> reduces, gathers;
  for (int step = 1; step <= steps; ++step) {
    group.commit(step);
    const double begin = now();
    group.reduce_scatter(total_S);
    const double middle = now();
    group.all_gather(full.data());
    gathers.push_back(now() - middle);
    reduces.push_back(middle - begin);
  }
  std::sort(reduces.begin(), reduces.end());
  std::sort(gathers.begin(), gathers.end());
  seat.record_step(1, reduces[reduces.size() / 2], gathers[gathers.size() / 2]);
}

void commit_often(Seat& seat, ProcessGroup& group) {
  constexpr int kCommits = 5000;
  const double begin = now();
  for (int step = 1; step <= kCommits; ++step) group.commit(step);
  seat.record_step(1, (now() - begin) / kCommits, 0);
}

void act(const Options& options, Seat& seat, ProcessGroup& group,
         ThreadPool& pool) {
  seat.running(1);
  if (options.role == "exchange") return exchange(seat, group, options.steps);
  if (options.role == "commit") return commit_often(seat, group);
  try {
    if (options.role == "compute") compute_forever(pool);
    if (options.role == "wait") group.commit(1);
    if (options.role == "idle") group.idle(kLong);
  } catch (const PeerLost&) {
  } catch (const Interrupted&) {
  }
  seat.record_step(0, now(), 0);
  seat.prepared(2);
}

std::unique_ptr<ProcessGroup> make_group(const config::View& view,
                                         const Seat& seat,
                                         const Windows& windows,
                                         ThreadPool& pool, Network& network) {
  if (view.members.front().machine == view.members.back().machine) {
    return std::make_unique<SharedMemoryGroup>(view, seat, windows, pool);
  }
  return std::make_unique<MachinesGroup>(view, seat, windows, pool, network);
}

int run_rank(const Options& options) {
  Board board = Board::open(SharedMemory::map(kFirstInherited), kRun);
  const Windows windows(SharedMemory::map(kFirstInherited + 1),
                        layout_of(options.num_slots));
  touch(options.touched_mb);
  Seat seat(board, options.slot, options.slot);
  Network network(kRun, options.slot);
  seat.listens_at(network.endpoint());
  const std::optional<Posted> posted = seat.wait_posted(0, kLong);
  if (!posted.has_value()) return 1;
  ThreadPool pool(1);
  Pulse pulse = seat.pulse(1);
  pool.set_pulse(&pulse);
  const std::unique_ptr<ProcessGroup> group =
      make_group(posted->view, seat, windows, pool, network);
  act(options, seat, *group, pool);
  return 0;
}

// --- The agent. ---

enum class Place { kOneMachine, kApart };

// The memory of a machine and who watches its ranks.
struct Machine {
  explicit Machine(int num_slots)
      : board(Board::create(SharedMemory::create(Board::bytes(), "bench-board"),
                            kRun, num_slots)),
        windows(SharedMemory::create(Windows::bytes(layout_of(num_slots)),
                                     "bench-windows"),
                layout_of(num_slots)),
        watcher(board, {}, [this](const Loss&) {
          if (told == 0) told = now();
        }) {}

  Board board;
  Windows windows;
  std::atomic<double> told{0};
  Watcher watcher;
};

// Rank r sits in slot r of its machine.
class Ranks {
 public:
  Ranks(int num_ranks, Place place) : num_ranks_(num_ranks) {
    const int machines = place == Place::kApart ? num_ranks : 1;
    for (int i = 0; i < machines; ++i) {
      machines_.push_back(std::make_unique<Machine>(num_ranks));
    }
  }
  ~Ranks() {
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  Machine& machine_of(int rank) {
    return *machines_[static_cast<size_t>(rank) % machines_.size()];
  }
  SlotReport report(int rank) { return machine_of(rank).board.report(rank); }
  int size() const { return num_ranks_; }
  pid_t pid(int rank) const { return pids_[static_cast<size_t>(rank)]; }

  void start(const std::string& role, const std::string& steps,
             const std::string& touched_mb) {
    const auto rank = static_cast<int>(pids_.size());
    Machine& machine = machine_of(rank);
    ProcessStart start;
    start.program = "/proc/self/exe";
    start.arguments = {"--rank",       role,
                       "--slot",       std::to_string(rank),
                       "--num-slots",  std::to_string(num_ranks_),
                       "--touched-mb", touched_mb,
                       "--steps",      steps};
    start.fds = {machine.board.memory().fd(), machine.windows.memory().fd()};
    pids_.push_back(start_process(start));
    machine.watcher.watch_child(rank, pids_.back());
  }

  // Shards in blocks to the first `hosts` ranks.
  void begin(int64_t hosts) {
    wait_for([&](const SlotReport& r) { return r.endpoint.port != 0; });
    config::View view;
    view.number = 1;
    for (int rank = 0; rank < num_ranks_; ++rank) {
      const auto machine = static_cast<size_t>(rank) % machines_.size();
      view.members.push_back(
          {rank, static_cast<int64_t>(machine), report(rank).endpoint});
    }
    for (int64_t shard = 0; shard < kNumShards; ++shard) {
      const int64_t owner = shard * hosts / kNumShards;
      view.placement.owner_S.push_back(owner);
      view.placement.backup_S.push_back((owner + 1) % hosts);
    }
    for (const auto& machine : machines_) {
      machine->board.post({PostedKind::kBegin, view, 0});
    }
  }

  // Until all slots, but slot `except`, are as wanted.
  void wait_for(const std::function<bool(const SlotReport&)>& wanted,
                int except = -1) {
    const double deadline = now() + kLong;
    for (int rank = 0; rank < num_ranks_; ++rank) {
      while (rank != except && !wanted(report(rank))) {
        if (now() > deadline) throw run_error("rank {} does not come", rank);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }

 private:
  const int num_ranks_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<pid_t> pids_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double maximum(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end());
}

// The victim computes; one waits for it, one computes; on one machine the last
// is a spare, else it computes too.
void measure_loss(const Options& options, Place place, int signal,
                  int64_t touched_mb) {
  std::vector<double> lost, told;
  const bool apart = place == Place::kApart;
  for (int i = 0; i < options.repeats; ++i) {
    Ranks ranks(4, place);
    ranks.start("compute", "0", std::to_string(touched_mb));
    ranks.start("wait", "0", "0");
    ranks.start("compute", "0", "0");
    ranks.start(apart ? "compute" : "idle", "0", "0");
    ranks.begin(apart ? 4 : 3);
    ranks.wait_for([](const SlotReport& report) {
      return report.state == SlotState::kRunning && report.beats > 5;
    });
    const double begin = now();
    ::kill(ranks.pid(0), signal);
    ranks.wait_for(
        [](const SlotReport& report) {
          return report.state == SlotState::kPrepared ||
                 report.state == SlotState::kDone;
        },
        0);
    double last = 0;
    for (int rank = 1; rank < 4; ++rank) {
      last = std::max(last, ranks.report(rank).step_seconds);
    }
    Machine& machine = ranks.machine_of(0);
    while (machine.told == 0) std::this_thread::yield();
    lost.push_back(1e3 * (last - begin));
    told.push_back(1e3 * (machine.told - begin));
  }
  fmt::print(
      "{:10s} {:7s} victim of {:4d} MB | {:8.1f} {:8.1f} | {:8.1f} {:8.1f}\n",
      apart ? "4 machines" : "1 machine",
      signal == SIGKILL ? "SIGKILL" : "SIGSTOP", touched_mb, median(lost),
      maximum(lost), median(told), maximum(told));
}

// Of the slowest rank.
SlotReport slowest(Ranks& ranks) {
  ranks.begin(ranks.size());
  ranks.wait_for([](const SlotReport& report) {
    return report.state == SlotState::kDone;
  });
  SlotReport result;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const SlotReport report = ranks.report(rank);
    result.step_seconds = std::max(result.step_seconds, report.step_seconds);
    result.compute_seconds =
        std::max(result.compute_seconds, report.compute_seconds);
  }
  return result;
}

void measure_exchange(const Options& options, Place place, int num_ranks) {
  Ranks exchanging(num_ranks, place), committing(num_ranks, place);
  for (int rank = 0; rank < num_ranks; ++rank) {
    exchanging.start("exchange", std::to_string(options.steps), "0");
  }
  const SlotReport exchange = slowest(exchanging);
  for (int rank = 0; rank < num_ranks; ++rank) {
    committing.start("commit", "0", "0");
  }
  const SlotReport commit = slowest(committing);
  const double gigabytes = 4.0 * kPaddedCount / 1e9;
  fmt::print(
      "{} ranks, {:13s} | {:6.2f} ms {:6.2f} GB/s | {:6.2f} ms {:6.2f} GB/s | "
      "{:7.1f} us\n",
      num_ranks, place == Place::kApart ? "TCP" : "shared memory",
      1e3 * exchange.step_seconds, gigabytes / exchange.step_seconds,
      1e3 * exchange.compute_seconds, gigabytes / exchange.compute_seconds,
      1e6 * commit.step_seconds);
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("The process groups of one machine and of several");
  app.add_option("--repeats", options.repeats, "losses of each kind");
  app.add_option("--steps", options.steps, "exchanges");
  app.add_option("--rank", options.role)->group("");
  app.add_option("--slot", options.slot)->group("");
  app.add_option("--num-slots", options.num_slots)->group("");
  app.add_option("--touched-mb", options.touched_mb)->group("");
  CLI11_PARSE(app, argc, argv);
  if (!options.role.empty()) return run_rank(options);

  constexpr Place kPlaces[] = {Place::kOneMachine, Place::kApart};
  fmt::print(
      "{} MB a vector, {} shards, each backed up; whole vector / time, the "
      "slowest rank's median\n                       | reduce_scatter        | "
      "all_gather            | commit\n",
      4 * kPaddedCount >> 20, kNumShards);
  for (const int num_ranks : {2, 4}) {
    for (const Place place : kPlaces) {
      measure_exchange(options, place, num_ranks);
    }
  }
  fmt::print(
      "\nms from the signal, of {}                 | last survivor let go | "
      "fenced and told\n                                      |   median      "
      "max |   median      max\n",
      options.repeats);
  for (const Place place : kPlaces) {
    for (const int signal : {SIGKILL, SIGSTOP}) {
      for (const int64_t mb : {16, 1024}) {
        measure_loss(options, place, signal, mb);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace colossus::bench

int main(int argc, char** argv) { return colossus::bench::run(argc, argv); }
