// A processor as a device of a plan, from what `colossus bench --json` measured
// on it (docs/bench.md).
#pragma once

#include <string>

#include "planner/hardware.h"

namespace colossus::planner {

// Its float32 peak is the fused multiply-adds of most threads, its memory's
// speed that of the fastest copy (bytes read and written both counted). How
// much memory it has does not stand there: memory_bytes is 0. `source` is the
// text's name in messages. Throws UserError.
Device read_bench_device(const std::string& text, const std::string& source);

}  // namespace colossus::planner
