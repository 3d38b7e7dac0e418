#include "config/load_config.h"

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/temporary_folder.h"
#include "config/model_counts.h"

namespace colossus::config {
namespace {

const std::string kConfigs = COLOSSUS_SOURCE_DIR "/configs";

// The folder's files but its clusters, which the planner reads.
std::vector<std::string> run_configs() {
  std::vector<std::string> names = list_directory(kConfigs);
  std::erase_if(names, [](const std::string& name) {
    return name.starts_with("colossus-");
  });
  return names;
}

Config shipped(const std::string& name) {
  return load_config(join_path(kConfigs, name), {}).config;
}

TEST(ShippedConfigs, AllAreValid) {
  const std::vector<std::string> names = run_configs();
  EXPECT_GE(names.size(), 8U);
  for (const std::string& name : names) {
    EXPECT_NO_THROW(shipped(name)) << name;
  }
}

TEST(ShippedConfigs, GrokOneHasTheSpecsParameterCount) {
  EXPECT_EQ(count_model(shipped("grok-1.toml").model).total_parameters,
            315'684'820'992);
}

TEST(ShippedConfigs, GrokTwoHasTheSpecsParameterCount) {
  const ModelCounts counts = count_model(shipped("grok-2.toml").model);
  EXPECT_NEAR(static_cast<double>(counts.total_parameters), 269.5e9, 0.05e9);
  EXPECT_NEAR(static_cast<double>(counts.active_parameters), 113.8e9, 0.05e9);
}

TEST(LoadConfig, NamesTheRunAfterTheFileUnlessRunDirIsGiven) {
  const TemporaryFolder folder;
  const std::string path = folder / "my-run.toml";
  write_file_atomically(real_file_system(), path, "[run]\nsteps = 500\n");
  const LoadedConfig loaded = load_config(path, {});
  EXPECT_EQ(loaded.config.run.dir, "runs/my-run");
  EXPECT_EQ(loaded.origins.at("run.dir"), "the file's name");
  EXPECT_EQ(load_config(path, {"run.dir=a/b"}).config.run.dir, "a/b");
  write_file_atomically(real_file_system(), path, "[run]\ndir = 'c'\n");
  EXPECT_EQ(load_config(path, {}).config.run.dir, "c");
}

TEST(ShippedConfigs, NoTwoWriteIntoOneFolder) {
  std::map<std::string, std::string> owner;
  for (const std::string& name : run_configs()) {
    const std::string dir = shipped(name).run.dir;
    EXPECT_TRUE(owner.emplace(dir, name).second)
        << name << " and " << owner[dir] << ": " << dir;
  }
}

TEST(ShippedConfigs, TheFullRunHasEightShards) {
  EXPECT_EQ(shipped("kjv.toml").run.num_shards, 8);
}

}  // namespace
}  // namespace colossus::config
