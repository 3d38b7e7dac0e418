#include "data/inputs.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace colossus::data {
namespace {

namespace fs = std::filesystem;

bool remove_ending(std::string& name, const std::string& ending) {
  if (!name.ends_with(ending)) return false;
  name.resize(name.size() - ending.size());
  return true;
}

InputFile describe(const std::string& path, const FileFormat& format) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    throw user_error("{}: cannot read this input: {}", path,
                     std::strerror(errno));
  }
  const int64_t seconds = status.st_mtim.tv_sec;
  return {path,
          path,
          format,
          static_cast<uint64_t>(status.st_size),
          seconds * 1'000'000'000 + status.st_mtim.tv_nsec,
          {}};
}

void add_file(const std::string& path, InputList& list) {
  FileFormat format;
  if (!format_of_name(path, format)) {
    throw user_error("{}: unknown kind of file; data prepare reads {}", path,
                     known_formats());
  }
  list.files.push_back(describe(path, format));
}

// Links to folders are not followed: they may form circles.
std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  fs::recursive_directory_iterator walk(folder, error);
  for (; !error && walk != fs::recursive_directory_iterator();
       walk.increment(error)) {
    const bool hidden = walk->path().filename().string().starts_with(".");
    if (walk->is_directory()) {
      if (hidden) walk.disable_recursion_pending();
    } else if (!hidden) {
      paths.push_back(walk->path().string());
    }
  }
  if (error) {
    throw user_error("{}: cannot list this folder: {}", folder,
                     error.message());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

void add_folder(const std::string& folder, InputList& list) {
  for (const std::string& path : files_below(folder)) {
    FileFormat format;
    if (format_of_name(path, format) && fs::is_regular_file(path)) {
      list.files.push_back(describe(path, format));
    } else if (list.num_skipped++ == 0) {
      list.a_skipped_one = path;
    }
  }
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  glob_t matches{};
  const int status = glob(pattern.c_str(), 0, nullptr, &matches);
  std::vector<std::string> paths;
  for (size_t i = 0; status == 0 && i < matches.gl_pathc; ++i) {
    paths.emplace_back(matches.gl_pathv[i]);
  }
  globfree(&matches);
  std::sort(paths.begin(), paths.end());
  return paths;
}

void add_path(const std::string& path, InputList& list) {
  if (fs::is_directory(path)) {
    add_folder(path, list);
  } else {
    add_file(path, list);
  }
}

}  // namespace

bool format_of_name(const std::string& name, FileFormat& format) {
  std::string rest = name;
  format.compression = Compression::kNone;
  if (remove_ending(rest, ".gz"))
    format.compression = Compression::kGzip;
  else if (remove_ending(rest, ".zst"))
    format.compression = Compression::kZstd;
  if (rest.ends_with(".jsonl")) {
    format.text = TextFormat::kJsonl;
    return true;
  }
  format.text = TextFormat::kText;
  return rest.ends_with(".txt") || rest.ends_with(".md");
}

std::string known_formats() {
  return ".txt, .md and .jsonl, each also with .gz or .zst behind it";
}

InputList list_inputs(const std::vector<std::string>& inputs) {
  InputList list;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (fs::exists(input, ignored)) {
      add_path(input, list);
      continue;
    }
    const bool is_pattern = input.find_first_of("*?[") != std::string::npos;
    const std::vector<std::string> paths =
        is_pattern ? expand_glob(input) : std::vector<std::string>();
    if (paths.empty()) {
      throw user_error(
          "{}: {}", input,
          is_pattern ? "no file fits this pattern" : "no such file or folder");
    }
    for (const std::string& path : paths) add_path(path, list);
  }
  return list;
}

}  // namespace colossus::data
