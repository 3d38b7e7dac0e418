// Waiting on a word of memory until another thread or process changes it.
#pragma once

#include <atomic>
#include <cstdint>

namespace colossus::distributed {

// Returns when `word` is no longer `seen`, when someone wakes, after `seconds`,
// or for no reason: the caller looks again.
void futex_wait(const std::atomic<uint32_t>& word, uint32_t seen,
                double seconds);

void futex_wake_all(std::atomic<uint32_t>& word);

// Adds one and wakes: the word is then a bell, whose value is of no meaning.
void ring(std::atomic<uint32_t>& bell);

}  // namespace colossus::distributed
