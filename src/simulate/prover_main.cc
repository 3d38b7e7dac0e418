// prover --seeds 0:10000 [--mutation N] | --seed N [--trace]
#include <fmt/core.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "simulate/prover.h"

int main(int argc, char** argv) {
  return colossus::simulate::prover_main(
      std::vector<std::string>(argv + 1, argv + argc));
}
