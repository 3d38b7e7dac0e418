// What NVIDIA's nccl-tests print (all_reduce_perf, all_gather_perf, ...), as
// measurements. Source of the form: nccl-tests, src/common.cu, 2.0 to 2.19.
//
// A text may hold the output of several runs, with other lines around their
// tables (mpirun's, NCCL's own). Inside a table nothing but its rows is taken.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace colossus::planner {

enum class Collective {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kAllToAll,
  kSendRecv
};
const char* collective_name(Collective collective);  // "all_reduce"

// One size; nccl-tests time it out of place and in place.
struct NcclSample {
  int64_t line = 0;
  double bytes = 0;    // of the whole vector, as the column `size`
  double seconds = 0;  // of the faster of the two
};

struct NcclTest {
  std::string source;  // file
  int64_t line = 0;    // of its table's names
  Collective collective = Collective::kAllReduce;
  std::string device;  // as the driver calls it: "NVIDIA H100 80GB HBM3"
  int64_t num_ranks = 0;
  int64_t num_hosts = 0;
  std::vector<NcclSample> samples;  // ascending by size

  int64_t ranks_per_host() const { return num_ranks / num_hosts; }
};

// True of a text that has such a table in it.
bool is_nccl_output(std::string_view text);

// `source` is the text's name in messages. Throws UserError with the line: no
// table; an unknown column or unit; a row with more or fewer cells; a time that
// contradicts its bandwidth; wrong elements (#wrong); ranks that are not
// listed, stand twice, or are not equally many on each host; a collective that
// is none of these five, or that neither the text nor `source` names.
std::vector<NcclTest> read_nccl_tests(std::string_view text,
                                      const std::string& source);

}  // namespace colossus::planner
