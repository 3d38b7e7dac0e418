// See report.h.
#include "runtime/report.h"

#include <fmt/core.h>

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "config/load_config.h"
#include "runtime/history.h"
#include "drawing/html.h"
#include "drawing/page.h"
#include "runtime/report_parts.h"

namespace colossus::runtime {
namespace {

constexpr uint64_t kMaxConfigBytes = 1u << 20;

std::optional<config::Config> config_of(const std::string& toml) {
  if (toml.empty()) return std::nullopt;
  try {
    return config::config_from_text(toml, "config.toml", {}).config;
  } catch (const UserError&) {
    return std::nullopt;  // of another version, or edited: shown as text
  }
}

std::string read_config(const std::string& path) {
  const bool is_sane = path_exists(path) && !is_directory(path) &&
                       file_size(path) <= kMaxConfigBytes;
  return is_sane ? read_file(path) : "";
}

// "runs/kjv/" -> "kjv", "." -> the folder's own name.
std::string name_of(const std::string& run_folder) {
  const std::filesystem::path path =
      std::filesystem::absolute(run_folder).lexically_normal();
  const std::filesystem::path name =
      path.has_filename() ? path.filename() : path.parent_path().filename();
  return name.string();
}

}  // namespace

std::string report_path(const std::string& run_folder) {
  return join_path(run_folder, "report.html");
}

std::string write_report(FileSystem& fs, const std::string& run_folder) {
  const RunHistory history = load_history(run_folder);
  const std::string toml = read_config(join_path(run_folder, "config.toml"));
  const std::string path = report_path(run_folder);
  write_file_atomically(fs, path,
                        report_html(name_of(run_folder), history, toml));
  return path;
}

std::string report_html(const std::string& run_name, const RunHistory& history,
                        const std::string& config_toml) {
  const ReportInput input{run_name, history, config_toml,
                          config_of(config_toml)};
  return drawing::page_html(
      run_name + " - training report",
      header_html(input) + cards_html(input) + facts_html(input) +
          charts_html(input) + samples_html(input) + time_html(input) +
          events_html(input) + config_html(input) +
          "<footer>Written by Colossus from the run&#39;s journal.</footer>\n");
}

}  // namespace colossus::runtime
