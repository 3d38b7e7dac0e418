#include "base/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/file_system.h"

namespace colossus {

TemporaryFolder::TemporaryFolder()
    : path_((std::filesystem::temp_directory_path() / "colossus-XXXXXX")
                .string()) {
  if (::mkdtemp(path_.data()) == nullptr) {
    throw_file_error("create the folder", path_, errno);
  }
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace colossus
