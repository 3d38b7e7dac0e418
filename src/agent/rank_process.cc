#include "agent/rank_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "agent/machine_memory.h"
#include "base/error.h"

namespace colossus::agent {
namespace {

void require(int error, const char* what) {
  if (error == 0) return;
  throw run_error("cannot start a rank: {}: {}", what, std::strerror(error));
}

class FileActions {
 public:
  FileActions() {
    require(posix_spawn_file_actions_init(&actions_), "file actions");
  }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  Attributes() { require(posix_spawnattr_init(&attributes_), "attributes"); }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

void give_files(const RankProcess& rank, posix_spawn_file_actions_t* actions) {
  require(
      posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0),
      "input");
  require(posix_spawn_file_actions_addopen(actions, 1, rank.output_path.c_str(),
                                           O_WRONLY | O_CREAT | O_APPEND, 0644),
          rank.output_path.c_str());
  require(posix_spawn_file_actions_adddup2(actions, 1, 2), "output");
  // First out of the way of the numbers that they are to have.
  const int base = MachineMemory::kFirstRankFd;
  const auto count = static_cast<int>(rank.fds.size());
  for (int i = 0; i < count; ++i) {
    require(posix_spawn_file_actions_adddup2(
                actions, rank.fds[static_cast<size_t>(i)], base + 100 + i),
            "shared memory");
  }
  for (int i = 0; i < count; ++i) {
    require(posix_spawn_file_actions_adddup2(actions, base + 100 + i, base + i),
            "shared memory");
    require(posix_spawn_file_actions_addclose(actions, base + 100 + i),
            "shared memory");
  }
}

}  // namespace

pid_t start_rank_process(const RankProcess& rank) {
  FileActions files;
  give_files(rank, files.get());
  Attributes attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  require(posix_spawnattr_setsigmask(attributes.get(), &none), "signal mask");
  require(posix_spawnattr_setsigdefault(attributes.get(), &all), "signals");
  require(posix_spawnattr_setflags(attributes.get(), POSIX_SPAWN_SETSIGMASK |
                                                         POSIX_SPAWN_SETSIGDEF |
                                                         POSIX_SPAWN_SETSID),
          "flags");
  std::vector<std::string> words = {"colossus"};
  words.insert(words.end(), rank.arguments.begin(), rank.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  require(posix_spawn(&pid, "/proc/self/exe", files.get(), attributes.get(),
                      argv.data(), environ),
          "the program");
  return pid;
}

}  // namespace colossus::agent
