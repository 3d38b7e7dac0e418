// What the kernel says of memory, for plans and for the words at a run's end.
#pragma once

#include <cstdint>

namespace colossus::runtime {

// Memory that new allocations can have without swapping; 0 if unknown.
uint64_t available_memory_bytes();

// This process's memory now and at its highest, what it shares included.
uint64_t resident_bytes();
uint64_t peak_resident_bytes();

struct SharedBytes {
  uint64_t mapped = 0;  // that this process has touched
  uint64_t part = 0;    // the same, each page divided among those who have it
};
// Of memory files; what libraries share is not among it.
SharedBytes shared_bytes();

}  // namespace colossus::runtime
