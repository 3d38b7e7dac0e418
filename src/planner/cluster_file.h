// A cluster from its TOML file (configs/colossus-100k.toml is one).
//
//   [cluster] gpu (a known type, or the path of a file of `colossus bench
//             --json`), gpus, and, where they are not the usual ones, node and
//             network; name
//   [gpu], [node], [network], [network.tier.NAME]  single figures that differ
//   [failures], [recovery], [power], [price]       optional; data/runs.toml
//             has what they leave open, but for prices
//   [delivery] YYYY-MM-DD = GPUs in service from that day on
//
// A text may end in its grade: "95% (published)", "3.8 (assumed)".
#pragma once

#include <string>
#include <vector>

#include "planner/hardware.h"

namespace colossus::planner {

struct LoadedCluster {
  Cluster cluster;
  std::vector<Input> inputs;  // what the file and the flags said, key by key;
                              // then what they left to the known types
};

// `overrides` are "cluster.gpus=8192" and the like. A bench file's path counts
// from the folder of `source`, which is the text's path in messages. Throws
// UserError: unknown keys with the nearest, wrong figures, what no cluster can
// be.
LoadedCluster read_cluster(const std::string& text, const std::string& source,
                           const std::vector<std::string>& overrides);
LoadedCluster load_cluster(const std::string& path,
                           const std::vector<std::string>& overrides);

// Of known types, without a file. `num_devices` below a node's GPUs are one
// smaller node.
Cluster make_cluster(const std::string& device, int64_t num_devices);

// The rules that hold between figures. Throws UserError that opens with
// `source`.
void validate(const Cluster& cluster, const std::string& source);

// "2024-09-01" -> days since 1970-01-01, and back. Throws UserError.
int64_t parse_day(const std::string& text, const std::string& where);
std::string day_text(int64_t day);

}  // namespace colossus::planner
