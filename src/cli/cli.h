// The command line: one function that runs a command and turns every error
// into one line on stderr and an exit code.
//
//   0    done
//   1    failed: RunError, CorruptFile, or anything unforeseen
//   2    wrong use: UserError, an unknown flag or command
//   130  stopped by the user
//
// A subcommand is one file: train.cc defines add_train (commands.h).
#pragma once

namespace colossus::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitWrongUse = 2;
inline constexpr int kExitStopped = 130;

int run(int argc, const char* const* argv);

}  // namespace colossus::cli
