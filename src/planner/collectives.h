// The time of collectives over links: bytes by ring, steps by tree.
//
// A rank sends (n - 1) / n of a gather's bytes whatever the algorithm; the
// steps that pass one after another are log2 n with trees (all_reduce) or
// NCCL's PAT (gathers), each at the tier's latency. Source: nccl-tests,
// PERFORMANCE.md (bus bandwidth); NCCL 2.4 and 2.23 release notes (trees, PAT).
#pragma once

#include "planner/calibration.h"
#include "planner/machine.h"

namespace colossus::planner {

struct Link {
  double bytes_per_second = 0;  // that large transfers reach, per device
  double latency_seconds = 0;   // of one step
};

// All NVLink of a device. No latency: it never showed beside the calibrated
// rate.
Link nvlink(const Machine& machine, const Calibration& calibration);

// The network's tier that `num_devices` neighbours need.
Link network(const Machine& machine, double num_devices,
             const Calibration& calibration);

bool is_beyond_nvlink(const Machine& machine, double num_devices);
// nvlink or network.
Link link_across(const Machine& machine, double num_devices,
                 const Calibration& calibration);

// For groups that each hold one device of every node's `sharing` (tensor ranks
// that exchange gradients at once): a ring enters a node by all its NICs,
// shared by as many rings, and goes no faster than NVLink.
Link shared_rings(const Machine& machine, double num_devices, double sharing,
                  const Calibration& calibration);

// `bytes`: of the whole vector, on each of `ranks`.
double all_reduce_seconds(double bytes, double ranks, const Link& link);
double gather_seconds(double bytes, double ranks, const Link& link);
// Gathers and scatters of FSDP, in full: 1 / ranks less is within the fit.
// `transfers`: that the bytes are cut into, each with its latency.
double sharded_seconds(double bytes, double ranks, double transfers,
                       const Link& link);
double send_seconds(double bytes, const Link& link);

// Of an all-to-all of `bytes` a rank to `topk` experts, over `ranks`: inside a
// domain every copy is sent; beyond, one to each node that a token reaches, n
// nodes (1 - (1 - 1/n)^topk) of them (DeepEP, HybridEP).
double all_to_all_seconds(double bytes, double topk, double ranks,
                          const Machine& machine,
                          const Calibration& calibration);

}  // namespace colossus::planner
