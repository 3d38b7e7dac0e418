// The clone's own files, for the tests that look at the source itself.
#pragma once

#include <string>
#include <vector>

namespace colossus::tests {

// Paths relative to the clone of all files below `folder` whose name ends in
// one of `endings`, sorted.
std::vector<std::string> files_below(const std::string& folder,
                                     const std::vector<std::string>& endings);

// A file of the clone, line by line.
std::vector<std::string> lines_of(const std::string& path);

// The path inside quotes or angle brackets if the line includes something.
std::string included_path(const std::string& line);

}  // namespace colossus::tests
