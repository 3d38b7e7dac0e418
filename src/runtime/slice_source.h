// What a rank gives to ranks of other machines that ask for slices of the run's
// state: those that the store of its machine holds.
#pragma once

#include "checkpoint/slice_store.h"
#include "distributed/network.h"

namespace colossus::runtime {

// For Network::serve. `store`'s memory outlives it.
distributed::SliceSource slice_source(const checkpoint::SliceStore& store);

}  // namespace colossus::runtime
