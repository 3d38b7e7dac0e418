#include "base/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/temporary_folder.h"

namespace colossus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

FileSystem& fs() { return real_file_system(); }

void write(const std::string& path, const std::string& text) {
  const auto file = fs().create(path);
  file->append(text);
  file->close();
}

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()),
          file.bytes().size()};
}

// Root may do anything; as nobody, permissions count.
class AsNobody {
 public:
  AsNobody() : changed_(::geteuid() == 0 && ::seteuid(65534) == 0) {}
  ~AsNobody() {
    if (changed_) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }
  bool works() const { return ::geteuid() != 0; }

 private:
  const bool changed_;
};

TEST(FileSystem, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  write(folder / "a", "one two");
  EXPECT_EQ(read_file(folder / "a"), "one two");
  EXPECT_EQ(text_of(MappedFile(folder / "a")), "one two");
  EXPECT_EQ(file_size(folder / "a"), 7u);
}

TEST(FileSystem, CreateEmptiesAnOldFile) {
  const TemporaryFolder folder;
  write(folder / "a", "a long old text");
  write(folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a"), "new");
}

TEST(FileSystem, OpenAppendGoesToTheEnd) {
  const TemporaryFolder folder;
  for (const char* line : {"one\n", "two\n"}) {
    const auto file = fs().open_append(folder / "a");
    file->append(line);
    file->close();
  }
  EXPECT_EQ(read_file(folder / "a"), "one\ntwo\n");
}

TEST(FileSystem, AnEmptyFileMapsToNoBytes) {
  const TemporaryFolder folder;
  write(folder / "a", "");
  EXPECT_THAT(MappedFile(folder / "a").bytes(), IsEmpty());
  EXPECT_EQ(read_file(folder / "a"), "");
}

TEST(FileSystem, AMovedMapKeepsItsBytes) {
  const TemporaryFolder folder;
  write(folder / "a", "bytes");
  MappedFile first(folder / "a");
  const MappedFile second = std::move(first);
  EXPECT_EQ(text_of(second), "bytes");
}

TEST(FileSystem, AMissingFileIsAUserErrorWithPathAndRemedy) {
  const TemporaryFolder folder;
  const std::string path = folder / "missing";
  const auto message = AllOf(HasSubstr(path), HasSubstr("No such file"),
                             HasSubstr("check the path"));
  EXPECT_THAT([&] { MappedFile file(path); },
              ThrowsMessage<UserError>(message));
  EXPECT_THAT([&] { read_file(path); }, ThrowsMessage<UserError>(message));
  EXPECT_THAT([&] { file_size(path); }, ThrowsMessage<UserError>(message));
  EXPECT_THAT([&] { list_directory(path); }, ThrowsMessage<UserError>(message));
  EXPECT_FALSE(path_exists(path));
}

TEST(FileSystem, AFolderIsNotAFile) {
  const TemporaryFolder folder;
  EXPECT_THROW(MappedFile file(folder.path()), UserError);
  EXPECT_THROW(read_file(folder.path()), UserError);
  EXPECT_TRUE(is_directory(folder.path()));
}

TEST(FileSystem, AForbiddenFileIsAUserErrorThatSaysSo) {
  const TemporaryFolder folder;
  write(folder / "a", "secret");
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod((folder / "a").c_str(), 0), 0);
  const AsNobody nobody;
  if (!nobody.works()) GTEST_SKIP() << "cannot give up root's rights here";
  const auto message =
      AllOf(HasSubstr(folder / "a"), HasSubstr("Permission denied"),
            HasSubstr("permissions"));
  EXPECT_THAT([&] { read_file(folder / "a"); },
              ThrowsMessage<UserError>(message));
}

TEST(FileSystem, AForbiddenFolderIsAUserErrorThatSaysSo) {
  const TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
  {
    const AsNobody nobody;
    if (!nobody.works()) GTEST_SKIP() << "cannot give up root's rights here";
    EXPECT_THAT([&] { write(folder / "a", "text"); },
                ThrowsMessage<UserError>(HasSubstr("Permission denied")));
  }
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
}

TEST(FileSystem, AFullDiskIsARunErrorThatSaysSo) {
  if (!path_exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const auto file = fs().open_append("/dev/full");
  EXPECT_THAT([&] { file->append("text"); },
              ThrowsMessage<RunError>(AllOf(HasSubstr("disk full"),
                                            HasSubstr("/dev/full"),
                                            HasSubstr("free some space"))));
}

TEST(FileSystem, ListsNamesInOrder) {
  const TemporaryFolder folder;
  for (const char* name : {"b", "c", "a"}) write(folder / name, name);
  EXPECT_THAT(list_directory(folder.path()), ElementsAre("a", "b", "c"));
}

TEST(FileSystem, RemovesTreesAndFiles) {
  const TemporaryFolder folder;
  fs().create_directories(folder / "x/y");
  write(folder / "x/y/a", "1");
  write(folder / "b", "2");
  fs().remove_tree(folder / "x");
  fs().remove_file(folder / "b");
  EXPECT_THAT(list_directory(folder.path()), IsEmpty());
  EXPECT_THROW(fs().remove_file(folder / "b"), UserError);
}

TEST(FileSystem, TruncateCutsTheEnd) {
  const TemporaryFolder folder;
  write(folder / "a", "12345");
  fs().truncate(folder / "a", 2);
  EXPECT_EQ(read_file(folder / "a"), "12");
}

TEST(FileSystem, RenameReplacesTheTarget) {
  const TemporaryFolder folder;
  write(folder / "a", "old");
  write(folder / "b", "new");
  fs().rename(folder / "b", folder / "a");
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_THROW(fs().rename(folder / "b", folder / "a"), UserError);
}

TEST(FileSystem, AnAtomicWriteLeavesNothingBesideTheFile) {
  const TemporaryFolder folder;
  write_file_atomically(fs(), folder / "a", "old");
  write_file_atomically(fs(), folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_THAT(list_directory(folder.path()), ElementsAre("a"));
}

TEST(FileSystem, FreeBytesAreThoseOfAnExistingFolder) {
  const TemporaryFolder folder;
  EXPECT_GT(free_bytes(folder.path()), 0u);
  EXPECT_THROW(free_bytes(folder / "missing"), UserError);
}

TEST(FileSystem, JoinsPaths) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
}

}  // namespace
}  // namespace colossus
