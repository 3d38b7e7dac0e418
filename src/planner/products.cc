#include "planner/products.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace colossus::planner {
namespace {

struct Tile {
  double m, n;
  double area = m * n;
  // Traffic of shared memory a FLOP beyond that of 128 x 256.
  double excess = (m + n) / (m * n) - 384.0 / 32768.0;
};

// Of cuBLAS and CUTLASS.
constexpr Tile kTiles[] = {
    {128, 256}, {256, 128}, {128, 128}, {64, 128}, {64, 64}};

// Rows of 128 bytes: NVIDIA's rule of alignment, in 16-bit elements.
constexpr double kLine = 64;

bool is_misaligned(double width) { return std::fmod(width, kLine) != 0; }

}  // namespace

double product_seconds(const Product& p, double rate, const Rates& machine) {
  double best = std::numeric_limits<double>::infinity();
  for (const Tile& tile : kTiles) {
    const double tiles =
        p.groups * std::ceil(p.m / tile.m) * std::ceil(p.n / tile.n);
    const double waves = std::ceil(tiles / machine.num_sms);
    const double small = 1 + machine.small_tile * tile.excess;
    best = std::min(best, waves * tile.area * small);
  }
  double seconds =
      best * machine.num_sms * 2 * (p.k + machine.tile_depth) / rate;
  if (is_misaligned(p.n) || is_misaligned(p.k)) seconds *= machine.misaligned;
  const double elements = p.groups * (p.m * p.k + p.k * p.n + p.m * p.n);
  return std::max(seconds, 2 * elements / machine.memory);
}

Pass linear_seconds(const Product& p, double rate, const Rates& machine) {
  const Product input_gradient = {p.m, p.k, p.n, p.groups};
  const Product weight_gradient = {p.n, p.k, p.m, p.groups};
  return {product_seconds(p, rate, machine),
          product_seconds(input_gradient, rate, machine) +
              product_seconds(weight_gradient, rate, machine)};
}

}  // namespace colossus::planner
