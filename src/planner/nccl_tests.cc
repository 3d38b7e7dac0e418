#include "planner/nccl_tests.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"

namespace colossus::planner {
namespace {

using Words = std::vector<std::string_view>;

constexpr size_t kMaxLines = 100'000;
constexpr int64_t kMaxRanks = 1 << 20;
constexpr double kGigabyte = 1e9;
// Bandwidths are printed to two digits, times to four.
constexpr double kRounding = 0.02;

struct CollectiveWords {
  Collective collective;
  const char* name;     // in messages, and in names of files
  const char* program;  // without "_perf"
};
constexpr std::array<CollectiveWords, 5> kCollectives = {{
    {Collective::kAllReduce, "all_reduce", "all_reduce"},
    {Collective::kAllGather, "all_gather", "all_gather"},
    {Collective::kReduceScatter, "reduce_scatter", "reduce_scatter"},
    {Collective::kAllToAll, "all_to_all", "alltoall"},
    {Collective::kSendRecv, "send_recv", "sendrecv"},
}};

constexpr std::array<const char*, 13> kColumns = {
    "size",  "count",  "type", "redop", "root",  "time",  "algbw",
    "busbw", "#wrong", "time", "algbw", "busbw", "#wrong"};
constexpr std::array<const char*, 8> kUnits = {"(B)",    "(elements)", "(us)",
                                               "(GB/s)", "(GB/s)",     "(us)",
                                               "(GB/s)", "(GB/s)"};

Words words_of(std::string_view line) {
  Words words;
  while (true) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::optional<double> number_of(std::string_view word) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = end == word.data() + word.size();
  if (error != std::errc() || !whole || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::string all_collectives() {
  std::string all;
  for (const CollectiveWords& words : kCollectives) {
    all += std::string(all.empty() ? "" : ", ") + words.program + "_perf";
  }
  return all;
}

// Which of them "all_reduce_perf", or a path that has it in it, names.
std::optional<Collective> collective_in(std::string_view text) {
  for (const CollectiveWords& words : kCollectives) {
    for (const char* name : {words.name, words.program}) {
      if (text.find(name) != std::string_view::npos) return words.collective;
    }
  }
  return std::nullopt;
}

// "size count type redop root time algbw ..." after the "#".
bool are_columns(const Words& words) {
  return words.size() > 2 && words[0] == "#" && words[1] == "size" &&
         words[2] == "count";
}

class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source) {}

  std::vector<NcclTest> read(std::string_view text) {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++line_;
      if (line_ > static_cast<int64_t>(kMaxLines)) {
        refuse("more than {} lines", kMaxLines);
      }
      take(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    finish_table();
    if (tests_.empty()) {
      throw user_error(
          "{}: no table of nccl-tests (a line '# size count type redop root "
          "time algbw busbw #wrong ...') in it",
          source_);
    }
    return std::move(tests_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format,
                           Args&&... args) const {
    throw user_error("{}:{}: {}", source_, line_,
                     fmt::format(format, std::forward<Args>(args)...));
  }

  void take(std::string_view line) {
    const Words words = words_of(line);
    if (words.empty()) return;
    if (are_columns(words)) {
      begin_table(words);
    } else if (expects_units_) {
      check_units(words);
    } else if (words[0] == "#" || words[0].starts_with('#')) {
      take_remark(line, words);
    } else if (in_table_) {
      take_row(words);
    }
  }

  void begin_table(const Words& words) {
    finish_table();
    const Words names(words.begin() + 1, words.end());
    for (size_t i = 0; i < std::max(names.size(), kColumns.size()); ++i) {
      if (i < names.size() && i < kColumns.size() && names[i] == kColumns[i]) {
        continue;
      }
      if (i < names.size()) {
        refuse("unknown column '{}'; the {}th of nccl-tests is {}", names[i],
               i + 1, i < kColumns.size() ? kColumns[i] : "none");
      }
      refuse("column '{}' is missing", kColumns[i]);
    }
    test_ = {};
    test_.source = source_;
    test_.line = line_;
    in_table_ = expects_units_ = true;
  }

  void check_units(const Words& words) {
    expects_units_ = false;
    const Words units(words.begin() + 1, words.end());
    if (words[0] != "#" || units.size() != kUnits.size()) {
      refuse("the line of units '# (B) (elements) (us) (GB/s) ...' is missing");
    }
    for (size_t i = 0; i < kUnits.size(); ++i) {
      if (units[i] != kUnits[i]) {
        refuse("unknown unit '{}'; nccl-tests print {} here", units[i],
               kUnits[i]);
      }
    }
  }

  // "# Rank  0 Group  0 Pid 12 on node-1 device  0 [0x1b] NVIDIA H100"
  void take_remark(std::string_view line, const Words& words) {
    constexpr std::string_view kStart = "Collective test starting:";
    if (const size_t at = line.find(kStart); at != std::string_view::npos) {
      finish_table();
      program_ = std::string(line.substr(at + kStart.size()));
      forget_ranks();
    } else if (line.find("Using devices") != std::string_view::npos) {
      finish_table();
      forget_ranks();
    } else if (words.size() > 2 && words[1] == "Rank") {
      take_rank(words);
    } else if (in_table_ && !test_.samples.empty()) {
      finish_table();  // "# Out of bounds values : 0 OK"
    }
  }

  void take_rank(const Words& words) {
    const auto on = std::find(words.begin(), words.end(), "on");
    const auto rank = number_of(words[2]);
    if (!rank || *rank < 0 || *rank >= kMaxRanks || words.end() - on < 4) {
      refuse("no line of a rank, '# Rank 0 ... on HOST device 0 [BUS] NAME'");
    }
    if (!ranks_.insert(static_cast<int64_t>(*rank)).second) {
      refuse(
          "rank {} stands twice: each process ran a test of its own; build "
          "nccl-tests with MPI=1",
          *rank);
    }
    ++hosts_[std::string(*(on + 1))];
    const auto bus = std::find_if(on, words.end(), [](std::string_view word) {
      return word.ends_with(']');
    });
    if (bus == words.end() || bus + 1 == words.end()) return;
    const char* begin = (bus + 1)->data();
    device_ = std::string(begin, words.back().data() + words.back().size());
  }

  void take_row(const Words& words) {
    if (words.size() != kColumns.size()) {
      refuse("{} cells in a table of {}", words.size(), kColumns.size());
    }
    const double bytes = figure(words, 0);
    const double out_of_place = seconds_of(words, 5, bytes);
    const double in_place = seconds_of(words, 9, bytes);
    if (bytes == 0) return;  // smaller than one element a rank
    if (!test_.samples.empty() && bytes <= test_.samples.back().bytes) {
      refuse("size {} after {}: sizes must rise", bytes,
             test_.samples.back().bytes);
    }
    ratio_ = std::max(ratio_, bus_ratio(words));
    reduces_ = words[3] != "none";
    has_root_ = words[4] != "-1";
    test_.samples.push_back({line_, bytes, std::min(out_of_place, in_place)});
  }

  double figure(const Words& words, size_t column) const {
    const std::optional<double> value = number_of(words[column]);
    if (!value || *value < 0) {
      refuse("'{}' in column {} ({}) is no figure", words[column], column + 1,
             kColumns[column]);
    }
    return *value;
  }

  // Time, algbw, busbw and #wrong from `column` on.
  double seconds_of(const Words& words, size_t column, double bytes) const {
    const double seconds = figure(words, column) * 1e-6;
    const double bandwidth = figure(words, column + 1);
    figure(words, column + 2);
    const std::string_view wrong = words[column + 3];
    if (wrong != "N/A" && wrong != "0" && wrong != "0e+00") {
      refuse("#wrong is {}: the collective gave wrong results", wrong);
    }
    if (bytes > 0 && seconds == 0) refuse("a time of 0");
    const double expected = bytes / seconds / kGigabyte;
    const bool fits = std::abs(bandwidth - expected) <=
                      0.0051 + kRounding * std::max(bandwidth, expected);
    if (bytes > 0 && !fits) {
      refuse(
          "algbw {} GB/s is not {} bytes in {} us, which are {:.2f}: the "
          "columns are of other units",
          bandwidth, bytes, words[column], expected);
    }
    return seconds;
  }

  // 2 (n - 1) / n of an all_reduce; (n - 1) / n; 1 of a send_recv.
  double bus_ratio(const Words& words) const {
    const double algorithm = figure(words, 6);
    return algorithm < 1 ? 0 : figure(words, 7) / algorithm;
  }

  void finish_table() {
    expects_units_ = false;
    if (!in_table_) return;
    in_table_ = false;
    if (test_.samples.empty()) refuse("a table without a row");
    set_ranks();
    test_.collective = collective();
    tests_.push_back(std::move(test_));
    ratio_ = 0;
  }

  void set_ranks() {
    if (ranks_.size() < 2) {
      refuse(
          "{} ranks are listed before the table ('# Rank 0 ... on HOST device "
          "...'); at least 2 exchange something",
          ranks_.size());
    }
    test_.num_ranks = static_cast<int64_t>(ranks_.size());
    test_.num_hosts = static_cast<int64_t>(hosts_.size());
    test_.device = device_;
    for (const auto& [host, ranks] : hosts_) {
      if (ranks * test_.num_hosts != test_.num_ranks) {
        refuse("{} of {} ranks are on {}: they are to be as many on each host",
               ranks, test_.num_ranks, host);
      }
    }
  }

  // By the program's line; of older releases by the file's name, or by what
  // the table shows.
  Collective collective() const {
    if (!program_.empty()) {
      if (const auto named = collective_in(program_)) return *named;
      refuse("'{}' is none of {}", program_, all_collectives());
    }
    if (has_root_)
      refuse("a collective with a root is none of {}", all_collectives());
    if (const auto named = collective_in(source_)) return *named;
    const auto n = static_cast<double>(test_.num_ranks);
    if (reduces_ && n > 2 && ratio_ > 0) {
      return ratio_ > 1.01 ? Collective::kAllReduce
                           : Collective::kReduceScatter;
    }
    refuse(
        "which collective it is stands neither in the text ('# Collective test "
        "starting: all_reduce_perf') nor in the file's name; name the file "
        "after it, as one of {}",
        all_collectives());
  }

  void forget_ranks() {
    ranks_.clear();
    hosts_.clear();
    device_.clear();
  }

  const std::string& source_;
  int64_t line_ = 0;
  std::vector<NcclTest> tests_;
  NcclTest test_;
  bool in_table_ = false, expects_units_ = false;
  bool reduces_ = false, has_root_ = false;
  double ratio_ = 0;  // of bus to algorithm bandwidth
  std::string program_, device_;
  std::set<int64_t> ranks_;
  std::map<std::string, int64_t> hosts_;
};

}  // namespace

const char* collective_name(Collective collective) {
  for (const CollectiveWords& words : kCollectives) {
    if (words.collective == collective) return words.name;
  }
  COLOSSUS_CHECK(false, "collective {}", static_cast<int>(collective));
}

bool is_nccl_output(std::string_view text) {
  return text.find("algbw") != std::string_view::npos ||
         text.find("# nccl-tests version") != std::string_view::npos;
}

std::vector<NcclTest> read_nccl_tests(std::string_view text,
                                      const std::string& source) {
  return Reader(source).read(text);
}

}  // namespace colossus::planner
