// The messages, by the names that this folder uses without their namespace.
#pragma once

#include "protocol/messages.h"
#include "protocol/mutation.h"

namespace colossus::coordinator {

using protocol::AgentOrders;
using protocol::AgentReport;
using protocol::BegunView;
using protocol::Board;
using protocol::CheckedStep;
using protocol::Difference;
using protocol::DifferenceKind;
using protocol::kAtOnce;
using protocol::kFromCheckpoint;
using protocol::kNone;
using protocol::Mutation;
using protocol::RankSlot;
using protocol::Recomputed;
using protocol::RecomputeOrder;
using protocol::ResizeRequest;
using protocol::SliceCopy;
using protocol::StopRequest;

}  // namespace colossus::coordinator
