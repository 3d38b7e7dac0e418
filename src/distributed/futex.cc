#include "distributed/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

namespace colossus::distributed {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) &&
              std::atomic<uint32_t>::is_always_lock_free);

// Not FUTEX_PRIVATE_FLAG: the words lie in memory of several processes.
void futex_wait(const std::atomic<uint32_t>& word, uint32_t seen,
                double seconds) {
  const double wait = std::clamp(seconds, 0.0, 1e6);
  timespec time = {};
  time.tv_sec = static_cast<time_t>(wait);
  time.tv_nsec =
      static_cast<long>((wait - static_cast<double>(time.tv_sec)) * 1e9);
  ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, &time, nullptr, 0);
}

void futex_wake_all(std::atomic<uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void ring(std::atomic<uint32_t>& bell) {
  bell.fetch_add(1);
  futex_wake_all(bell);
}

}  // namespace colossus::distributed
