#include "planner/goodput_simulation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <queue>

#include "base/exact_math.h"
#include "base/random.h"

namespace colossus::planner {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr int64_t kMaxFaults = 300'000;
constexpr double kWindow = 30 * 86400.0;  // in which a burst's rate holds

// Numbers of one kind, one after the other.
class Draws {
 public:
  Draws(uint64_t seed, const char* name)
      : seed_(seed), stream_(stream_of(name)) {}

  double uniform() { return random_uniform(seed_, stream_, index_++); }
  double exponential() { return -exact_log(1 - uniform()); }  // of mean 1
  double normal() { return random_normal(seed_, stream_ + 1, index_++); }
  // Mean 1, standard deviation `spread` (Marsaglia and Tsang 2000; a shape
  // below 1 as one above times a power).
  double gamma(double spread) {
    const double shape = 1 / (spread * spread);
    const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3;
    const double c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double x = normal();
      const double v = std::pow(1 + c * x, 3);
      if (v <= 0) continue;
      const double u = 1 - uniform();
      if (exact_log(u) >= x * x / 2 + d - d * v + d * exact_log(v)) continue;
      const double boost = shape < 1 ? std::pow(1 - uniform(), 1 / shape) : 1;
      return d * v * boost / shape;
    }
  }

 private:
  uint64_t seed_, stream_;
  uint64_t index_ = 0;
};

// Faults of a rate that bursts: in each window it is another one.
class FaultTimes {
 public:
  FaultTimes(double rate, double burstiness, uint64_t seed)
      : rate_(rate),
        burstiness_(burstiness),
        gaps_(seed, "goodput/fault"),
        bursts_(seed, "goodput/burst") {
    advance();
  }

  double next() const { return next_; }
  void advance() {
    if (rate_ <= 0) {
      next_ = kNever;
      return;
    }
    double left = gaps_.exponential();
    for (;;) {
      if (next_ >= window_end_) {
        factor_ = burstiness_ > 0 ? bursts_.gamma(burstiness_) : 1;
        window_end_ += kWindow;
      }
      const double until = next_ + left / (rate_ * factor_);
      if (until < window_end_) {
        next_ = until;
        return;
      }
      left -= (window_end_ - next_) * rate_ * factor_;
      next_ = window_end_;
    }
  }

 private:
  double rate_, burstiness_;
  Draws gaps_, bursts_;
  double next_ = 0, window_end_ = 0, factor_ = 1;
};

// Rare events of another kind: when the next one comes.
class Clock {
 public:
  Clock(double rate, uint64_t seed, const char* name)
      : rate_(rate), draws_(seed, name) {
    start(0);
  }
  void start(double now) {
    next_ = rate_ > 0 ? now + draws_.exponential() / rate_ : kNever;
  }
  double next() const { return next_; }

 private:
  double rate_;
  Draws draws_;
  double next_ = kNever;
};

struct Checkpoint {
  double work = 0;
  double usable_at = 0;
};

class Run {
 public:
  Run(const JobFaults& job, const SimulationOptions& options, uint64_t seed)
      : job_(job),
        options_(options),
        faults_(job.fault_rate, job.burstiness, seed),
        silent_(job.silent_rate, seed, "goodput/silent"),
        slow_(job.slow_rate, seed, "goodput/slow"),
        planned_(job.planned_rate, seed, "goodput/planned"),
        times_(seed, "goodput/time"),
        repairs_(seed, "goodput/repair"),
        chances_(seed, "goodput/chance") {
    if (job.strategy == Strategy::kMemoryCopies && job.step_seconds > 0) {
      copies_ = job.copy_seconds / job.step_seconds;
    }
  }

  SimulatedRun play() {
    while (work_ < options_.useful_seconds && !gives_up()) step();
    time_.useful = work_;
    time_.copies = work_ * copies_;
    SimulatedRun run;
    run.finished = work_ >= options_.useful_seconds;
    run.seconds = now_;
    run.faults = num_faults_;
    run.parts = time_;
    for (double* part : run.parts.all()) *part /= now_;
    return run;
  }

 private:
  // Computes until something happens, and does what that asks for.
  void step() {
    const double factor = slow_until_ < kNever ? job_.slow_factor : 1;
    const double pace = (1 + copies_) * factor;  // elapsed a second of work
    const double end = now_ + (options_.useful_seconds - work_) * pace;
    const double due = segment_start_ + options_.interval;
    const double until =
        std::min({end, due, faults_.next(), silent_.next(), noticed_at_,
                  slow_.next(), slow_until_, planned_.next()});
    const double seconds = std::max(until - now_, 0.0);
    work_ += seconds / pace;
    time_.slow += seconds * (1 - 1 / factor);
    now_ = std::max(until, now_);
    if (until == end) {
      work_ = options_.useful_seconds;
    } else if (until == faults_.next()) {
      fault();
    } else if (until == silent_.next()) {
      corrupt();
    } else if (until == noticed_at_) {
      notice();
    } else if (until == slow_until_) {
      slow_until_ = kNever;
      restart(time_.slow);
      slow_.start(now_);  // only what computes becomes slow
    } else if (until == slow_.next()) {
      slow_until_ = now_ + job_.slow_seconds;
      slow_.start(kNever);
    } else if (until == planned_.next()) {
      stop_as_planned();
    } else {
      save();
    }
  }

  void save() {
    if (!pass(job_.checkpoint_seconds, time_.checkpoint)) {
      // What the save had taken is lost with the work.
      time_.checkpoint -= passed_;
      time_.lost_work += passed_;
      fault();
      return;
    }
    if (noticed_at_ == kNever) forget_old_checkpoints();
    checkpoints_.push_back({work_, now_ + job_.write_seconds});
    segment_start_ = now_;
  }

  void forget_old_checkpoints() {
    while (checkpoints_.size() > 1 && checkpoints_[1].usable_at <= now_) {
      checkpoints_.pop_front();
    }
  }

  void stop_as_planned() {
    if (pass(job_.checkpoint_seconds, time_.planned)) {
      checkpoints_.push_back({work_, now_});
      restart(time_.planned);
    } else {
      fault();
    }
    planned_.start(now_);  // a job that stands is not stopped
  }

  // From a step that is good, or was just loaded.
  void restart(double& reason) {
    if (!pass(time_of(job_.restart), reason)) {
      fault();
      return;
    }
    origin_ = work_;
    segment_start_ = now_;
  }

  void corrupt() {
    silent_.start(kNever);
    corrupt_work_ = work_;
    noticed_at_ = now_ + job_.silent_noticed_seconds;
  }

  void notice() {
    while (checkpoints_.back().work > corrupt_work_ ||
           checkpoints_.back().usable_at > now_) {
      checkpoints_.pop_back();
    }
    throw_back(checkpoints_.back().work, time_.silent);
    restart(time_.silent);
  }

  // Work beyond `to` is lost; a corruption may go with it.
  void throw_back(double to, double& reason) {
    reason += (work_ - to) * (1 + copies_);
    work_ = to;
    if (noticed_at_ < kNever && corrupt_work_ >= work_) {
      noticed_at_ = kNever;
      silent_.start(now_);
    }
  }

  bool gives_up() const {
    return now_ > 1000 * options_.useful_seconds || num_faults_ >= kMaxFaults;
  }

  // A fault has just come. Returns when the job computes again.
  void fault() {
    bool needs_checkpoint = false;
    while (!gives_up()) {
      take_node_away();
      needs_checkpoint |= job_.strategy == Strategy::kRestart ||
                          chances_.uniform() < job_.copies_lost;
      lose_work(needs_checkpoint);
      const bool heals = job_.strategy == Strategy::kHeal && !needs_checkpoint;
      if (!heals && !pass(time_of(job_.detection), time_.detection)) continue;
      wait_for_spare();
      if (pass(time_of(heals ? job_.heal : job_.restart), time_.recovery)) {
        break;
      }
    }
    origin_ = work_;
    if (needs_checkpoint) segment_start_ = now_;
    if (silent_.next() < now_) silent_.start(now_);
    if (slow_.next() < now_) slow_.start(now_);
  }

  void lose_work(bool needs_checkpoint) {
    if (needs_checkpoint) {
      while (checkpoints_.back().usable_at > now_) checkpoints_.pop_back();
      throw_back(checkpoints_.back().work, time_.lost_work);
    } else if (job_.step_seconds > 0) {
      const double steps =
          std::floor((work_ - origin_) / job_.step_seconds + 1e-9);
      const double to = origin_ + steps * job_.step_seconds;
      if (to < work_) throw_back(to, time_.lost_work);
    }
  }

  void take_node_away() {
    ++num_faults_;
    faults_.advance();
    away_.push(now_ + job_.repair.at(repairs_.normal()));
  }

  // Faults go on meanwhile; they take more nodes, and no more work.
  void wait_for_spare() {
    const double start = now_;
    while (!gives_up()) {
      while (!away_.empty() && away_.top() <= now_) away_.pop();
      const bool enough =
          options_.spare_nodes < 0 ||
          static_cast<int64_t>(away_.size()) <= options_.spare_nodes;
      if (enough) break;
      if (faults_.next() < away_.top()) {
        now_ = faults_.next();
        take_node_away();
      } else {
        now_ = away_.top();
      }
    }
    time_.waiting += now_ - start;
  }

  // Lets time pass for `reason`; false: until a fault came.
  bool pass(double seconds, double& reason) {
    const double until = std::min(now_ + seconds, faults_.next());
    const bool undisturbed = now_ + seconds < faults_.next();
    passed_ = until - now_;
    reason += passed_;
    now_ = until;
    return undisturbed;
  }

  double time_of(const RandomTime& time) { return time.at(times_.normal()); }

  const JobFaults& job_;
  const SimulationOptions& options_;
  FaultTimes faults_;
  Clock silent_, slow_, planned_;
  Draws times_, repairs_, chances_;

  double copies_ = 0;         // time of copies over that of steps
  double now_ = 0;            // elapsed
  double work_ = 0;           // useful seconds, if nothing is lost any more
  double origin_ = 0;         // the work at which the present steps began
  double segment_start_ = 0;  // the last save, or start from one
  double passed_ = 0;         // by the last pass()
  double corrupt_work_ = 0;   // where it became wrong
  double noticed_at_ = kNever;
  double slow_until_ = kNever;
  int64_t num_faults_ = 0;
  std::deque<Checkpoint> checkpoints_ = {{0, 0}};  // the start is one
  std::priority_queue<double, std::vector<double>, std::greater<>> away_;
  GoodputParts time_ = {.useful = 0};  // seconds
};

void add_statistics(Simulation& simulation) {
  std::vector<SimulatedRun>& runs = simulation.runs;
  const auto n = static_cast<double>(runs.size());
  simulation.mean.useful = 0;
  const std::array<double*, 10> means = simulation.mean.all();
  double squares = 0;
  for (SimulatedRun& run : runs) {
    const std::array<double*, 10> parts = run.parts.all();
    for (size_t i = 0; i < means.size(); ++i) *means[i] += *parts[i] / n;
    squares += run.parts.useful * run.parts.useful / n;
  }
  const double mean = simulation.mean.useful;
  const double variance = std::max(squares - mean * mean, 0.0);
  simulation.standard_error = std::sqrt(variance / std::max(n - 1, 1.0));
  const size_t tenth = runs.size() / 10;
  simulation.low = runs[runs.size() - 1 - tenth].parts.useful;
  simulation.high = runs[tenth].parts.useful;
}

}  // namespace

int64_t Simulation::num_given_up() const {
  return std::count_if(runs.begin(), runs.end(),
                       [](const SimulatedRun& run) { return !run.finished; });
}

SimulatedRun simulate_run(const JobFaults& job,
                          const SimulationOptions& options, uint64_t run) {
  return Run(job, options, random_bits(options.seed, stream_of("goodput"), run))
      .play();
}

Simulation simulate_goodput(const JobFaults& job,
                            const SimulationOptions& options,
                            ThreadPool& pool) {
  Simulation simulation;
  simulation.runs.resize(static_cast<size_t>(options.num_runs));
  std::vector<SimulatedRun>& runs = simulation.runs;
  pool.run(options.num_runs, [&](int64_t i, int) {
    runs[static_cast<size_t>(i)] =
        simulate_run(job, options, static_cast<uint64_t>(i));
  });
  std::sort(runs.begin(), runs.end(),
            [](const SimulatedRun& a, const SimulatedRun& b) {
              return a.parts.useful > b.parts.useful;
            });
  add_statistics(simulation);
  return simulation;
}

}  // namespace colossus::planner
