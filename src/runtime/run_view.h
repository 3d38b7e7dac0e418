// A run of several processes, as the process sees it that started it: only by
// the journal. If it is killed, the run goes on.
#pragma once

#include "runtime/trainer.h"

namespace colossus::runtime {

class MemoryTally;
class RunDisplay;

// Notes in the summary what the event says of the outcome.
void note_in(TrainingSummary& summary, const config::Config& config,
             const JournalEvent& event);

// Shows what the journal says from its newest run_started on, tells `memory` of
// it, passes the user's stop on, and returns when the run has ended and its
// processes are gone, or the user let go of it (summary.detached). Throws
// RunError if the run failed, or its processes are gone without a word.
void watch_run(const config::Config& config, const Surroundings& around,
               RunDisplay& display, MemoryTally& memory,
               TrainingSummary& summary);

}  // namespace colossus::runtime
