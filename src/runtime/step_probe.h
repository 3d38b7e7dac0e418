// Looks into a rank's step from inside. For tests, which flip bits there.
#pragma once

#include <cstdint>

namespace colossus::runtime {

class StepProbe {
 public:
  virtual ~StepProbe() = default;
  // The gradient of the block of shards that begins with `first_shard`, a flat
  // vector, before anybody else reads it.
  virtual void computed(int64_t /*step*/, int64_t /*first_shard*/,
                        float* /*gradient*/) {}
  // The sum over all shards of a slice's gradient, before the update.
  virtual void summed(int64_t /*step*/, int64_t /*slice*/, float* /*sum*/) {}
  // This rank's slices of `step` are in the store and agree with their other
  // copies; the step is not committed.
  virtual void stored(int64_t /*step*/) {}
};

}  // namespace colossus::runtime
