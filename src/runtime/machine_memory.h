// What the kernel says of memory, for plans and for the words at a run's end.
#pragma once

#include <cstdint>

namespace colossus::runtime {

// Memory that new allocations can have without swapping; 0 if unknown.
uint64_t available_memory_bytes();

// This process's memory now and at its highest.
uint64_t resident_bytes();
uint64_t peak_resident_bytes();

}  // namespace colossus::runtime
