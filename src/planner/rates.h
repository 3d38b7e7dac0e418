// Rates that a machine reaches under a calibration: FLOP/s, bytes/s.
#pragma once

#include "planner/calibration.h"
#include "planner/workload.h"

namespace colossus::planner {

struct Rates {
  Rates(const Workload& workload, const Calibration& calibration);

  double products;     // FLOP/s, in the layers' arithmetic
  double products_16;  // of the head, and of unfused attention
  double experts;      // of grouped products
  double attention;    // of a flash kernel
  double exponentials;
  double memory;  // bytes/s
  double num_sms;
  double tile_depth, small_tile, misaligned;  // calibration.h
};

}  // namespace colossus::planner
