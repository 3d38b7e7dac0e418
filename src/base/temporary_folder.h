// A folder of its own for a test or a scratch file, removed with its content.
#pragma once

#include <string>

namespace colossus {

class TemporaryFolder {
 public:
  TemporaryFolder();  // under the system's folder for temporary files
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` inside it.
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace colossus
