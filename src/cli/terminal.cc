#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/utf8.h"

namespace colossus::cli {

runtime::ProgressOptions progress_options(int file_descriptor) {
  runtime::ProgressOptions options;
  options.is_terminal = isatty(file_descriptor) == 1;
  winsize size{};
  if (options.is_terminal && ioctl(file_descriptor, TIOCGWINSZ, &size) == 0 &&
      size.ws_col > 0) {
    options.width = size.ws_col;
  }
  return options;
}

std::string printable(std::string_view text) {
  std::string safe = valid_utf8(text);
  for (char& c : safe) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) c = '?';
  }
  return safe;
}

}  // namespace colossus::cli
