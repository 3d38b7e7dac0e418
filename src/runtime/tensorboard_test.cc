// The fixed bytes below were read by TensorBoard 2.21's event_file_loader, its
// event accumulators and its server, and understood as meant.
#include "runtime/tensorboard.h"

#include <gtest/gtest.h>

#include "base/temporary_folder.h"

namespace colossus::runtime {
namespace {

std::string hex_of(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[c & 15];
  }
  return hex;
}

// file_version "brain.Event:2" at time 1000.5.
constexpr const char* kVersionRecord =
    "1800000000000000a37f4b22090000000000448f401a0d627261696e2e457665"
    "6e743a32aba33345";

TEST(TensorBoard, WritesTheBytesThatTensorBoardAccepts) {
  const TemporaryFolder folder;
  TensorBoardWriter writer(real_file_system(), folder.path(), 1000.5, 1);
  Validation validation;
  validation.step = 300;
  validation.val_loss = 2.5;
  validation.bits_per_byte = 1.5;
  writer.write(validation, 1001.5);
  writer.write(TextSample{300, "In", "x\xff"}, 1002);
  writer.flush();
  EXPECT_EQ(
      hex_of(read_file(writer.path())),
      std::string(kVersionRecord) +
          // The session starts at step 1.
          "0f000000000000006d532b09090000000000448f4010013a"
          "020801c38b85d5"
          // validation/val_loss and validation/bits_per_byte
          "4b00000000000000870999960900000000004c8f4010ac022a"
          "3d0a1a0a1376616c69646174696f6e2f76616c5f6c6f737315000020400a1f0a"
          "1876616c69646174696f6e2f626974735f7065725f62797465150000c03f5ad2"
          "89b2"
          // sample, for the text plugin
          "3800000000000000a3797d57090000000000508f4010ac022a2a0a280a06"
          "73616d706c6542140807120412020801420a20202020496e78efbfbd4a080a06"
          "0a0474657874c4991de1");
}

TEST(TensorBoard, StartsASessionAtTheResumedStepInAFileOfItsOwn) {
  const TemporaryFolder folder;
  const TensorBoardWriter first(real_file_system(), folder.path(), 1000.5, 1);
  const TensorBoardWriter resumed(real_file_system(), folder.path(), 1000.5,
                                  300);
  EXPECT_NE(first.path(), resumed.path());
  EXPECT_EQ(hex_of(read_file(resumed.path())),
            std::string(kVersionRecord) +
                "100000000000000095fbfe18090000000000448f4010ac02"
                "3a020801e1133350");
}

TEST(TensorBoard, NewFilesSortLastWhateverTheClockSays) {
  const TemporaryFolder folder;
  const std::string now =
      TensorBoardWriter(real_file_system(), folder.path(), 1.7e9, 1).path();
  const std::string earlier =
      TensorBoardWriter(real_file_system(), folder.path(), 5, 1).path();
  EXPECT_LT(now, earlier);
}

TEST(TensorBoard, PutsEveryMetricOfAStepIntoOneEvent) {
  const TemporaryFolder folder;
  TensorBoardWriter writer(real_file_system(), folder.path(), 0, 1);
  StepMetrics metrics;
  metrics.step = 1;
  metrics.mfu = 0.5;
  metrics.expert_load = {{0.25, 0.75}};
  writer.write(metrics, 0);
  writer.flush();
  const std::string bytes = read_file(writer.path());
  for (const char* tag :
       {"train/loss", "train/aux_loss", "train/learning_rate",
        "train/grad_norm", "speed/tokens_per_second", "speed/mfu",
        "expert_load/layer_00/expert_0", "expert_load/layer_00/expert_1"}) {
    EXPECT_NE(bytes.find(tag), std::string::npos) << tag;
  }
}

TEST(TensorBoard, MasksTheCrcAsTfRecordDoes) {
  // 0xe3069283 is the CRC-32C of the digits; rotated right by 15, plus delta.
  EXPECT_EQ(masked_crc32c("123456789"),
            ((0xe3069283u >> 15) | (0xe3069283u << 17)) + 0xa282ead8u);
}

}  // namespace
}  // namespace colossus::runtime
