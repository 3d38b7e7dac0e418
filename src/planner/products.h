// T1: the time of one matrix product, from the tiles that it is cut into.
//
//   waves = ceil(groups ceil(m / tm) ceil(n / tn) / SMs)
//   time  = waves SMs 2 tm tn (k + tile_depth)
//           (1 + small_tile (1/tm + 1/tn - 3/256)) / rate
// of the best of five tiles, and at least what reading and writing its matrices
// takes. Source: NVIDIA, Matrix Multiplication Background User's Guide,
// sections 3 (tile and wave quantisation) and 2 (arithmetic intensity).
#pragma once

#include "planner/rates.h"

namespace colossus::planner {

// [m, k] times [k, n], `groups` such at once. 16-bit elements.
struct Product {
  double m, n, k;
  double groups = 1;
};

// `rate`: FLOP/s of a large tile.
double product_seconds(const Product& product, double rate,
                       const Rates& machine);

struct Pass {
  double forward = 0;
  double backward = 0;

  double sum() const { return forward + backward; }
  Pass& operator+=(const Pass& other) {
    forward += other.forward;
    backward += other.backward;
    return *this;
  }
};

// A linear layer, x [m, k] to [m, n]: forward, and backward the products of
// dx [m, k] and dW [n, k].
Pass linear_seconds(const Product& product, double rate, const Rates& machine);

}  // namespace colossus::planner
