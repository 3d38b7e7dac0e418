#include "tests/chaos/live_run.h"

#include <fmt/core.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "distributed/process.h"
#include "runtime/journal.h"
#include "runtime/journal_codec.h"

namespace colossus::tests {
namespace {

constexpr const char* kProgram = COLOSSUS_BINARY_DIR "/colossus";
constexpr int kPatienceSeconds = 120;

pid_t start(const Call& call, const std::string& log) {
  distributed::ProcessStart process;
  process.program = kProgram;
  process.name = "colossus";
  if (!call.network.empty()) {
    process.program = "/usr/bin/env";
    process.name = "env";
    process.arguments = {"ip", "netns", "exec", call.network, kProgram};
  }
  process.arguments.insert(process.arguments.end(), call.words.begin(),
                           call.words.end());
  process.output_path = log;
  process.own_session = true;
  return distributed::start_process(process);
}

int code_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::vector<std::string> command_line(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/cmdline", pid));
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

RunProcess described(pid_t pid, const std::vector<std::string>& words) {
  RunProcess process;
  process.pid = pid;
  if (words.size() > 1) process.role = words[1];
  const auto rank = std::find(words.begin(), words.end(), "--rank");
  if (rank != words.end() && rank + 1 != words.end()) {
    process.rank = std::stoll(*(rank + 1));
  }
  process.joined =
      std::find(words.begin(), words.end(), "--join") != words.end();
  return process;
}

bool mentions(const std::vector<std::string>& words, const std::string& text) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return word.find(text) != std::string::npos;
  });
}

}  // namespace

int run_command(const std::vector<std::string>& words, const std::string& log) {
  int status = 0;
  ::waitpid(start({words, ""}, log), &status, 0);
  return code_of(status);
}

LiveRun::LiveRun(const Call& call, const std::string& folder)
    : folder_(folder) {
  pid_ = start(call, log_path());
}

LiveRun::~LiveRun() {
  for (const RunProcess& process : processes()) send_signal(process, SIGKILL);
  if (!left_) ::waitpid(pid_, nullptr, 0);
  for (const pid_t pid : added_) ::waitpid(pid, nullptr, 0);
}

pid_t LiveRun::add(const Call& call, const std::string& log) {
  return added_.emplace_back(start(call, log));
}

std::optional<int> LiveRun::code_of_added(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return std::nullopt;
  std::erase(added_, pid);
  return code_of(status);
}

void LiveRun::look() {
  std::ifstream file(runtime::journal_path(folder_), std::ios::binary);
  if (!file.seekg(offset_)) return;
  std::stringstream gained;
  gained << file.rdbuf();
  for (std::string line; std::getline(gained, line) && !gained.eof();) {
    offset_ += static_cast<int64_t>(line.size()) + 1;
    if (!runtime::is_header(line)) note(runtime::decode_line(line).event);
  }
}

void LiveRun::note(const runtime::JournalEvent& event) {
  ++counts_.events;
  counts_.steps += std::holds_alternative<runtime::StepMetrics>(event);
  counts_.prepares += std::holds_alternative<coordinator::PrepareBegun>(event);
  if (const auto* view = std::get_if<coordinator::ViewBegun>(&event)) {
    ++counts_.views;
    const std::set<int64_t> machines(view->machines.begin(),
                                     view->machines.end());
    counts_.views_of_machines += machines.size() > 1;
  }
  counts_.machines_lost +=
      std::holds_alternative<coordinator::MachineLost>(event);
  counts_.machines_left +=
      std::holds_alternative<coordinator::MachineLeft>(event);
  counts_.ranks_lost += std::holds_alternative<coordinator::RankLost>(event);
  counts_.ranks_started += std::holds_alternative<runtime::RankStarted>(event);
  if (const auto* agent = std::get_if<runtime::AgentStarted>(&event)) {
    agents_.insert(static_cast<pid_t>(agent->pid));
  }
  over_ = over_ || std::holds_alternative<runtime::RunStopped>(event) ||
          std::holds_alternative<runtime::RunFailed>(event);
  if (const auto* end = std::get_if<runtime::RunFinished>(&event)) {
    over_ = true;
    hash_ = end->hash;
  }
}

std::vector<RunProcess> LiveRun::processes() const {
  std::vector<RunProcess> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto pid = static_cast<pid_t>(std::stol(name));
    const std::vector<std::string> words = command_line(pid);
    if (mentions(words, folder_)) found.push_back(described(pid, words));
  }
  std::sort(found.begin(), found.end(),
            [](const RunProcess& a, const RunProcess& b) {
              return std::tie(a.role, a.rank, a.pid) <
                     std::tie(b.role, b.rank, b.pid);
            });
  return found;
}

bool LiveRun::has_left(int& code) {
  int status = 0;
  if (!left_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    left_ = true;
    code_ = code_of(status);
  }
  code = code_;
  return left_;
}

bool look_until(LiveRun& run, const std::function<bool()>& holds) {
  using Clock = std::chrono::steady_clock;
  int64_t seen = -1;
  Clock::time_point news = Clock::now();
  while (Clock::now() - news < std::chrono::seconds(kPatienceSeconds)) {
    run.look();
    if (holds()) return true;
    if (run.is_over()) return false;
    if (run.counts().events != seen) news = Clock::now();
    seen = run.counts().events;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

bool await_steps(LiveRun& run, int64_t count) {
  const int64_t until = run.counts().steps + count;
  return look_until(run, [&] { return run.counts().steps >= until; });
}

bool await_steps_of_both(LiveRun& run) {
  const int64_t before = run.counts().views_of_machines;
  return look_until(run,
                    [&] { return run.counts().views_of_machines > before; }) &&
         await_steps(run, 3);
}

bool send_signal(const RunProcess& process, int signal) {
  const auto handle =
      static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
  if (handle < 0) return false;
  const RunProcess now = described(process.pid, command_line(process.pid));
  const bool same = now.role == process.role && now.rank == process.rank;
  const bool sent =
      same && ::syscall(SYS_pidfd_send_signal, handle, signal, nullptr, 0) == 0;
  ::close(handle);
  return sent;
}

}  // namespace colossus::tests
