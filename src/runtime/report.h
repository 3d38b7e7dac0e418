// runs/NAME/report.html: one page about a run, from its journal and its config,
// for people to open and to pass on. It needs nothing but itself.
#pragma once

#include <string>

#include "base/file_system.h"

namespace colossus::runtime {

struct RunHistory;

std::string report_path(const std::string& run_folder);

// Writes the page, also for a run that is not finished, and returns its path.
// Throws UserError if the folder holds no journal, what FileSystem throws.
std::string write_report(FileSystem& fs, const std::string& run_folder);

// The page itself. `config_toml` may be empty: then it shows no config.
std::string report_html(const std::string& run_name, const RunHistory& history,
                        const std::string& config_toml);

}  // namespace colossus::runtime
