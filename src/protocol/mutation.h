// Bugs that can be planted in the rules, to show that the prover finds them.
// docs/prover.md lists what caught each. Production never sets one: the options
// that a config fills do not reach this field.
#pragma once

namespace colossus::protocol {

enum class Mutation {
  kNone,
  kActOnOldWords,           // a peer's word of an older view counts
  kBeginBeforeAllAnswers,   // the first answer to PREPARE is enough
  kGreatestStepOfAny,       // start at the newest step that any slice has
  kTrustUncheckedCopies,    // a copy counts although its step was never checked
  kBackupWithOwner,         // a slice's backup on its owner
  kActBeforeJournal,        // orders leave before the record is written
  kStateWithoutRecord,      // a lost rank is forgotten without a record
  kDoNotFence,              // a hung rank is left alone
  kCommitWithoutBackup,     // owners' copies are enough for a commit
  kStartTwice,              // repeated orders start a rank again
  kAnswerBeforeLettingGo,   // PREPARE is answered while ranks still work
  kSkipTransferHash,        // a copied slice is not compared with its hash
  kOverwriteLastStep,       // step n+1 is written over step n
  kObeyOldOrders,           // orders count whatever their version
  kSkipInterruptedStep,     // the interrupted step is taken for done
  kSaveOfOldView,           // a checkpoint of an older view commits
  kNeverRepeatOrders,       // lost orders stay lost
  kIgnoreSilence,           // a silent machine is waited for for ever
  kBlameOwner,              // an audit's difference is always the owner's fault
  kSoftAfterLoss,           // a loss waits for a commit that cannot come
  kSaveLeastStep,           // the least of the owners' saved steps is complete
  kWaitForLostSource,       // a slice is awaited from a machine that is gone
  kSoftBeforeAllEntered,    // a commit is waited for that some cannot reach
  kIgnoreCutLinks,          // nobody is given up whom a peer cannot reach
  kBelieveOldComplaints,    // who was out of reach in an older view still is
  kCountReleasedRanks,      // who is not wanted any more counts as lost
  kLeaveBeforeAllHealed,    // a machine goes while others still need its copies
  kCountLossesBehindSteps,  // losses count though steps were done between
};

}  // namespace colossus::protocol
