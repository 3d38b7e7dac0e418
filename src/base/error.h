// The kinds of error of Colossus, and CHECK for bugs.
//
// UserError    what a person can mend: a flag, a config, a file. Exit code 2.
// CorruptFile  bytes on disk that fail their checks; another copy may serve.
// RunError     the work itself failed (loss not finite, disk full). Exit 1.
//
// A violated CHECK is a bug of ours: it prints its values and aborts.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace colossus {

class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class CorruptFile : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// `throw user_error("no such file: {}", path)`.
template <typename... Args>
UserError user_error(fmt::format_string<Args...> format, Args&&... args) {
  return UserError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
CorruptFile corrupt_file(fmt::format_string<Args...> format, Args&&... args) {
  return CorruptFile(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
RunError run_error(fmt::format_string<Args...> format, Args&&... args) {
  return RunError(fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void check_failed(const char* file, int line,
                               const char* condition,
                               const std::string& message);

}  // namespace colossus

// COLOSSUS_CHECK(rows > 0, "rows is {}", rows)
#define COLOSSUS_CHECK(condition, ...)                         \
  do {                                                         \
    if (!(condition)) [[unlikely]] {                           \
      ::colossus::check_failed(__FILE__, __LINE__, #condition, \
                               ::fmt::format(__VA_ARGS__));    \
    }                                                          \
  } while (false)
