// Where processes of a run may listen while nothing is encrypted.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace colossus::cli {

void add_insecure_network_flag(CLI::App& command, bool& insecure_network);

// Throws UserError unless it is HOST:PORT on loopback, or the user allowed any.
void check_network_address(const std::string& address, bool insecure_network);

}  // namespace colossus::cli
