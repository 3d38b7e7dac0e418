#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace colossus {

void check_failed(const char* file, int line, const char* condition,
                  const std::string& message) {
  fmt::print(stderr,
             "{}:{}: this is a bug in Colossus: '{}' does not hold: {}\n", file,
             line, condition, message);
  std::fflush(stderr);
  std::abort();
}

}  // namespace colossus
