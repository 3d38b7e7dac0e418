// Why the parser refused a command line: the first word that names no command
// or flag, and the name that was probably meant.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace colossus::cli {

// "unknown flag '--reusme'; did you mean '--resume'?", or "" if every word is
// known. `words` are the arguments without the program's name.
std::string describe_unknown_word(const CLI::App& app,
                                  const std::vector<std::string>& words);

}  // namespace colossus::cli
