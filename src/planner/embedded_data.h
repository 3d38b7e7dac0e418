// The files of src/planner/data, inside the program, so that it plans from any
// folder.
#pragma once

#include <string_view>

namespace colossus::planner {

std::string_view gpus_toml();
std::string_view nodes_toml();
std::string_view networks_toml();
std::string_view runs_toml();
std::string_view goodput_runs_toml();
std::string_view published_runs_csv();
std::string_view out_of_memory_csv();
std::string_view single_node_a100_csv();

}  // namespace colossus::planner
