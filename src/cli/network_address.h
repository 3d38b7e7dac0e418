// Where processes of a run may listen while nothing is encrypted.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace colossus::cli {

void add_insecure_network_flag(CLI::App& command, bool& insecure_network);

void add_host_option(CLI::App& command, std::string& host);

// Of HOST:PORT the host, as ranks take it.
std::string host_of(const std::string& address);
bool is_loopback(const std::string& host);

// Throws UserError unless it is an IPv4 address of this machine that others
// can name, on loopback, or the user allowed any.
void check_host(const std::string& host, bool insecure_network);

// Throws UserError unless it is HOST:PORT on loopback, or the user allowed any.
void check_network_address(const std::string& address, bool insecure_network);

}  // namespace colossus::cli
