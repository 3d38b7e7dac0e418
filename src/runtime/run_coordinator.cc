#include "runtime/run_coordinator.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "runtime/history.h"
#include "runtime/journal_codec.h"

namespace colossus::runtime {
namespace {

constexpr double kLookSeconds = 0.05;
// After the end, agents have so long to say that their ranks are gone.
constexpr double kFarewellSeconds = 5;
// So many ranks may be lost without a step between before the run gives up.
constexpr int64_t kMostLosses = 24;

std::string address_path(const std::string& run_folder) {
  return join_path(run_folder, "coordinator.address");
}

coordinator::CoordinatorOptions core_options(
    const config::Config& config, const RunCoordinatorOptions& options) {
  coordinator::CoordinatorOptions core;
  core.num_shards = config.run.num_shards;
  core.total_steps = config.run.steps;
  core.silence_us = options.silence_us;
  core.replace_stragglers = config.run.replace_stragglers;
  core.most_losses_without_step = kMostLosses;
  return core;
}

// Nullopt: another kind of event.
std::optional<coordinator::Decision> decision_of(const JournalEvent& event) {
  return std::visit(
      [](const auto& e) -> std::optional<coordinator::Decision> {
        if constexpr (std::is_constructible_v<coordinator::Decision,
                                              decltype(e)>) {
          return e;
        } else {
          return std::nullopt;
        }
      },
      event);
}

}  // namespace

std::string coordinator_address(const std::string& run_folder) {
  const std::string path = address_path(run_folder);
  if (!path_exists(path)) return "";
  std::string text = read_file(path).substr(0, 256);
  text.resize(text.find_last_not_of('\n') + 1);
  return text;
}

void forget_coordinator(FileSystem& fs, const std::string& run_folder) {
  const std::string path = address_path(run_folder);
  if (path_exists(path)) fs.remove_file(path);
}

RunCoordinator::RunCoordinator(const config::Config& config, FileSystem& fs,
                               const Clock& clock,
                               RunCoordinatorOptions options)
    : config_(config),
      fs_(fs),
      clock_(clock),
      options_(std::move(options)),
      run_(parse_hash128(config_digest(config))),
      recorder_(config, fs, clock) {
  read_journal();
  server_ = std::make_unique<protocol::Server>(options_.listen, handlers());
  write_file_atomically(fs_, address_path(config.run.dir),
                        server_->address() + "\n");
  recorder_.record(CoordinatorStarted{::getpid(), server_->address()});
}

RunCoordinator::~RunCoordinator() = default;

int64_t RunCoordinator::now_us() const {
  return static_cast<int64_t>(clock_.steady_seconds() * 1e6);
}

void RunCoordinator::read_journal() {
  std::vector<coordinator::Decision> decisions;
  JournalFollower(config_.run.dir).read_new([&](const JournalRecord& record) {
    if (std::holds_alternative<RunStarted>(record.event)) {
      decisions.clear();
      kept_.clear();
      started_.clear();
      agents_.clear();
      ended_.clear();
    }
    if (record.source.rank >= 0) {
      kept_[record.source.rank] = record.source.position;
    }
    if (const auto* e = std::get_if<AgentStarted>(&record.event)) {
      agents_[e->machine] = e->pid;
    }
    if (const auto* e = std::get_if<RankStarted>(&record.event)) {
      started_.insert(e->rank);
    }
    if (const auto* e = std::get_if<RankEnded>(&record.event)) {
      ended_.insert(e->rank);
    }
    if (const auto decision = decision_of(record.event)) {
      decisions.push_back(*decision);
    }
  });
  coordinator::RunState state = coordinator::replay(decisions);
  for (const coordinator::MachineState& machine : state.machines) {
    next_machine_ = std::max(next_machine_, machine.machine + 1);
    if (!machine.left) busy_machines_.insert(machine.machine);
  }
  core_ = std::make_unique<coordinator::CoordinatorCore>(
      core_options(config_, options_), std::move(state), now_us());
  if (core_->state().ended) ended_seconds_ = clock_.steady_seconds();
}

protocol::ServerHandlers RunCoordinator::handlers() {
  return {
      .hello = [this](const auto& hello) { return welcome(hello); },
      .report = [this](auto report) { push(std::move(report)); },
      .lines =
          [this](int64_t machine, auto lines) {
            push(Lines{machine, std::move(lines)});
          },
      .gone =
          [this](int64_t machine) {
            {
              const std::lock_guard lock(mutex_);
              attending_.erase(machine);
            }
            push(Gone{machine});
          },
      .resize =
          [this](const auto& request, auto answer) {
            check_size(request);
            push(Asked{request, std::move(answer)});
          },
      .stop =
          [this](const auto& request, auto answer) {
            push(Asked{request, std::move(answer)});
          },
  };
}

protocol::Welcome RunCoordinator::welcome(const protocol::Hello& hello) {
  if (hello.run != run_) {
    throw user_error(
        "the agent on {} is of another run than {}, or of another config of "
        "it",
        hello.host, config_.run.dir);
  }
  const std::lock_guard lock(mutex_);
  check_numerics(hello);
  int64_t machine = hello.machine;
  if (machine == protocol::kNone) machine = next_machine_++;
  const auto other = attending_.find(machine);
  if (other != attending_.end() && other->second.memory_id != hello.memory_id) {
    throw user_error("machine {} is here already, and is another one", machine);
  }
  next_machine_ = std::max(next_machine_, machine + 1);
  attending_[machine] = {hello.memory_id, next_incarnation_};
  words_.emplace_back(Came{machine, hello.pid, hello.host});
  return {.machine = machine, .incarnation = next_incarnation_++};
}

void RunCoordinator::check_numerics(const protocol::Hello& hello) {
  if (options_.numerics.empty()) options_.numerics = hello.numerics;
  if (hello.numerics == options_.numerics) return;
  throw user_error(
      "the ranks on {} would compute other bits ({}) than those of {} ({}): "
      "the "
      "processors of a run must all have fused multiply-add, or its config say "
      "kernels.target = \"baseline\" and no agent another --target",
      hello.host, hello.numerics, config_.run.dir, options_.numerics);
}

void RunCoordinator::check_size(const protocol::ResizeRequest& request) const {
  if (request.ranks <= config_.run.num_shards) return;
  throw user_error(
      "{} ranks cannot share {} shards: at most one rank a shard "
      "(run.num_shards is fixed when a run starts); ask for spares instead",
      request.ranks, config_.run.num_shards);
}

void RunCoordinator::push(Word word) {
  const std::lock_guard lock(mutex_);
  words_.push_back(std::move(word));
  has_words_.notify_one();
}

std::deque<RunCoordinator::Word> RunCoordinator::wait_for_words() {
  std::unique_lock lock(mutex_);
  has_words_.wait_for(lock, std::chrono::duration<double>(kLookSeconds),
                      [this] { return !words_.empty(); });
  return std::exchange(words_, {});
}

void RunCoordinator::run() {
  while (!is_over()) {
    options_.beat();
    const std::deque<Word> words = wait_for_words();
    options_.set_away(true);  // the journal is synced for some of them
    for (const Word& word : words) {
      std::visit([this](const auto& one) { take(one); }, word);
    }
    options_.set_away(false);
    const std::string stop = options_.stop_reason();
    if (!stop.empty() && !std::exchange(stop_asked_, true)) {
      handle(protocol::StopRequest{stop, false});
    }
    if (now_us() >= timer_us_) handle(coordinator::TimerFired{});
  }
  forget_coordinator(fs_, config_.run.dir);
  if (core_->state().failed) {
    throw run_error("{}", failure_.empty() ? "the run failed" : failure_);
  }
}

bool RunCoordinator::is_over() const {
  return core_->state().ended &&
         (busy_machines_.empty() ||
          clock_.steady_seconds() - ended_seconds_ > kFarewellSeconds);
}

void RunCoordinator::take(const protocol::AgentReport& report) {
  note_started_ranks(report);
  note_ended_ranks(report);
  busy_machines_.insert(report.machine);
  handle(report);
}

void RunCoordinator::note_started_ranks(const protocol::AgentReport& report) {
  for (const protocol::RankSlot& slot : report.ranks) {
    if (slot.pid == 0 || !started_.insert(slot.rank).second) continue;
    recorder_.record(RankStarted{slot.rank, report.machine, slot.pid});
  }
}

// Those that were not released, nor belong to a run that is over.
void RunCoordinator::note_ended_ranks(const protocol::AgentReport& report) {
  for (const protocol::RankEnd& end : report.ends) {
    if (core_->state().rank(end.rank) == nullptr) continue;
    if (!ended_.insert(end.rank).second) continue;
    recorder_.record(RankEnded{end.rank, report.machine, end.pid,
                               static_cast<double>(end.silent_us) * 1e-6,
                               end.how});
  }
}

// What is in the journal already was sent again by an agent that did not hear
// so: the agent, or this process, is another one by now.
void RunCoordinator::take(const Lines& lines) {
  const protocol::RankLines& said = lines.lines;
  int64_t& kept = kept_[said.rank];
  for (size_t i = 0; i < said.lines.size(); ++i) {
    if (said.ends[i] <= kept) continue;
    std::string_view line = said.lines[i];
    if (line.ends_with('\n')) line.remove_suffix(1);
    try {
      const JournalEvent event = decode_line(line).event;
      if (const auto* e = std::get_if<RunFailed>(&event)) failure_ = e->reason;
      recorder_.record(event, {said.rank, said.ends[i]});
    } catch (const CorruptFile& error) {
      recorder_.record(Remark{0, fmt::format("a report of rank {} is damaged "
                                             "and left out: {}",
                                             said.rank, error.what())},
                       {said.rank, said.ends[i]});
    }
    kept = said.ends[i];
  }
  server_->send(lines.machine, protocol::LinesKept{said.rank, kept});
}

// An agent that merely lost its connection comes again.
void RunCoordinator::take(const Came& came) {
  if (agents_[came.machine] == came.pid) return;
  agents_[came.machine] = came.pid;
  recorder_.record(AgentStarted{came.machine, came.pid, came.host});
}

void RunCoordinator::take(const Gone& gone) {
  if (core_->state().ended || has_left(gone.machine)) {
    busy_machines_.erase(gone.machine);
  }
}

bool RunCoordinator::has_left(int64_t machine) const {
  const coordinator::MachineState* known = core_->state().machine(machine);
  return known != nullptr && known->left;
}

// Answered when the journal has it.
void RunCoordinator::take(const Asked& asked) {
  const bool is_resize =
      std::holds_alternative<protocol::ResizeRequest>(asked.wish);
  const bool late = is_resize && core_->state().ended;
  handle(asked.wish);
  asked.answer(late ? config_.run.dir + ": the run has ended" : "");
}

void RunCoordinator::handle(const coordinator::Event& event) {
  for (const coordinator::Action& action : core_->handle(now_us(), event)) {
    if (const auto* record = std::get_if<coordinator::WriteRecord>(&action)) {
      std::visit([&](const auto& decision) { recorder_.record(decision); },
                 record->decision);
      const auto* end = std::get_if<coordinator::RunEnded>(&record->decision);
      if (end != nullptr && failure_.empty()) failure_ = end->reason;
    } else if (const auto* send =
                   std::get_if<coordinator::SendOrders>(&action)) {
      server_->send(send->orders->machine, *send->orders);
    } else {
      timer_us_ = std::get<coordinator::SetTimer>(action).at_us;
    }
  }
  if (core_->state().ended && ended_seconds_ < 0) {
    ended_seconds_ = clock_.steady_seconds();
  }
}

}  // namespace colossus::runtime
