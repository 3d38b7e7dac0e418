#!/usr/bin/env python3
"""What a loss costs a run: the table of recovery, each figure the median of many.

A run of the kjv model is started, and its processes are killed or stopped at
random moments. A recovery is counted from the signal until step n+1 is done (n:
the step that the next view starts from), less one step as the placement
that follows makes it undisturbed. Needs the data folder of `make train` or
--data, and an idle machine. Builds nothing. All figures also go to --json FILE.

    bench/recovery.py [--rows spare,hang] [--repeats 20] [--seed 1]
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from live_run import ROOT, LiveRun, NotThere, moment, processes_of

SETTLE_STEPS, MEASURED_STEPS = 5, 15
median = statistics.median


def say(text=""):
    print(text, flush=True)


class Bench:
    def __init__(self, args):
        self.args, self.random = args, random.Random(args.seed)
        self.work = Path(tempfile.mkdtemp(prefix="colossus-recovery-", dir=args.work))
        self.count = 0

    def start(self, ranks, spares=0, threads=None, words=(), **settings):
        """No duties beside the steps, so that every step costs the same."""
        self.count += 1
        quiet = {"val_every": 0, "sample_every": 0, "checkpoint_every": 0, "steps": 1_000_000, **settings}
        chosen = {f"run.{key}": value for key, value in quiet.items()}
        chosen["data.path"] = json.dumps(str(self.args.data))
        chosen["kernels.threads"] = threads or self.args.threads
        words = [*words, "--ranks", ranks, "--spares", spares]
        return LiveRun(self.args.program, self.args.config, self.work / f"run{self.count}", words, chosen)

    def settle(self, run, ranks, spares):
        """Until all ranks that were asked for are at work or stand by."""
        full = lambda: run.view and len(run.hosts()) == ranks and len(run.ranks) == ranks + spares
        run.wait(full, "a full view")
        if any(event["event"] == "rank_ready" for event in run.events):
            run.wait(lambda: set(run.ranks) <= run.ready, "every rank to be ready")
        else:
            time.sleep(2)  # this version does not say when a spare is ready
        run.wait(full, "a full view")
        seen = len(run.steps)
        run.wait_steps(seen + 3)
        run.wait(full, "a full view")

    def strike(self, run, what):
        """At a random moment of a step; returns when."""
        time.sleep(self.random.random() * run.steps[-1]["seconds"])
        run.pass_over_the_past()
        begin = time.time()
        os.kill(what[0], what[1])
        return begin


def recovery(bench, run, how, undisturbed):
    victim = bench.random.choice(run.hosts())
    begin = bench.strike(run, (run.ranks[victim], how))
    view = run.wait_event("view")
    first = view["start_step"] + 1
    done = run.wait_event("step", lambda e: e["step"] == first and moment(e) > begin)
    step = undisturbed or run.step_seconds(SETTLE_STEPS, MEASURED_STEPS)
    whole = moment(done) - begin
    say(f"    rank {victim}: step {first} after {whole:.3f} s, of which a step is {step:.3f} s")
    return {"seconds": whole - step, "with_the_step_seconds": whole}


def columns(rows):
    return {key: [row[key] for row in rows] for key in rows[0]}


def recoveries(bench, ranks, spares, how):
    with bench.start(ranks, spares) as run:
        results = []
        for _ in range(bench.args.repeats):
            bench.settle(run, ranks, spares)
            results.append(recovery(bench, run, how, None))
        return columns(results)


def kill_with_spare(bench):
    return recoveries(bench, 2, 1, signal.SIGKILL)


def kill_without_spare(bench):
    """The survivor's steps are not undisturbed while a new rank starts, so a run
    of one rank with as many threads, just before, says how long they are."""
    threads, results = max(1, bench.args.threads // 2), []
    for _ in range(bench.args.repeats):
        with bench.start(1, threads=threads) as alone:
            undisturbed = alone.step_seconds(SETTLE_STEPS, MEASURED_STEPS)
        with bench.start(2, 0) as run:
            bench.settle(run, 2, 0)
            results.append(recovery(bench, run, signal.SIGKILL, undisturbed))
    return columns(results)


def hang_with_spare(bench):
    return recoveries(bench, 2, 1, signal.SIGSTOP)


def kill_single(bench):
    with bench.start(1) as probe:
        probe.wait_steps(3)
        if not processes_of(probe.folder, "rank"):
            raise NotThere("a single rank trains inside `colossus train`")
    return recoveries(bench, 1, 0, signal.SIGKILL)


def delayed_steps(run, begin, end):
    """Steps in which `begin`..`end` falls, or that follow soon, and took longer
    than the slowest of the steps before by more than half a median step."""
    times = [(moment(b), moment(b) - moment(a)) for a, b in zip(run.steps, run.steps[1:])]
    before = [length for at, length in times if at <= begin][-30:]
    after = [length for at, length in times if begin < at <= end]
    limit = max(before) + 0.5 * median(before)
    return sum(length > limit for length in after), max(after) - median(before)


def kill_helper(bench, role):
    """Beside each kill, as many seconds in which nothing happens: the machine
    delays a step by itself now and then."""
    with bench.start(2, 1) as run:
        bench.settle(run, 2, 1)
        if not processes_of(run.folder, role):
            raise NotThere(f"there is no process `colossus {role}`")
        counts, longest, quiet_counts = [], [], []
        for _ in range(bench.args.repeats):
            run.wait_steps(len(run.steps) + 30)
            quiet = time.time()
            run.wait(lambda: moment(run.steps[-1]) > quiet + 2, "steps")
            quiet_counts.append(delayed_steps(run, quiet, quiet + 2)[0])
            victim = processes_of(run.folder, role)[0]
            begin = bench.strike(run, (victim, signal.SIGKILL))
            reborn = lambda: [pid for pid in processes_of(run.folder, role) if pid != victim]
            run.wait(reborn, f"another {role}")
            run.wait(lambda: run.steps and moment(run.steps[-1]) > begin + 2, "steps")
            count, delay = delayed_steps(run, begin, begin + 2)
            counts.append(count)
            longest.append(delay)
        return {"steps": counts, "longest_delay_seconds": longest, "steps_without_a_kill": quiet_counts}


def final_hash(run):
    run.wait(lambda: any(e["event"] == "finished" for e in run.events), "the end", 300)
    return next(e["hash"] for e in run.events if e["event"] == "finished")


def grow_once(bench, run, ranks):
    run.wait_steps(10)
    run.pass_over_the_past()
    last, begin = run.steps[-1], time.time()
    subprocess.run([run.program, "resize", run.folder, "--ranks", str(ranks)], cwd=ROOT, check=True,
                   stdout=run.log, stderr=subprocess.STDOUT)
    view = run.wait_event("view", lambda e: len(set(e["owners"])) == ranks)
    steps = [e for e in run.events if e["event"] == "step" and e["step"] == view["start_step"]]
    last = steps[-1] if steps else last
    done = run.wait_event("step", lambda e: e["step"] == view["start_step"] + 1)
    pause = moment(done) - moment(last) - run.step_seconds(SETTLE_STEPS, MEASURED_STEPS)
    return pause, moment(done) - begin


def growth(bench):
    commands = subprocess.run([bench.args.program, "--help"], text=True, stdout=subprocess.PIPE).stdout
    if "resize" not in commands:
        raise NotThere("there is no `colossus resize`")
    steps = 200
    with bench.start(2, steps=steps) as quiet:
        want = final_hash(quiet)
    pauses, waits, same = [], [], True
    for _ in range(max(1, bench.args.repeats // 4)):
        with bench.start(1, steps=steps) as run:
            for ranks in (2, 4):
                pause, wait = grow_once(bench, run, ranks)
                pauses.append(pause)
                waits.append(wait)
            same = same and final_hash(run) == want
    return {"seconds": pauses, "from_the_request_seconds": waits, "same_bits": same}


def two_against_one(bench):
    threads = bench.args.threads
    ratios = []
    for _ in range(max(3, bench.args.repeats // 4)):
        pair = []
        for ranks in (2, 1):
            with bench.start(ranks, threads=threads) as run:
                pair.append(run.step_seconds(SETTLE_STEPS, 4 * MEASURED_STEPS))
        say(f"    2 ranks {pair[0]:.4f} s a step, 1 rank {pair[1]:.4f} s: {pair[1] / pair[0]:.3f} x")
        ratios.append(pair[1] / pair[0])
    return {"ratio": ratios}


def backups(bench):
    """The teller's own time for backups' updates and the comparison of hashes,
    the wait for the other rank's among it, at 4,096 tokens a step: an update
    costs the same however many they are."""
    with bench.start(2, micro_batch_size=4) as run:
        bench.settle(run, 2, 0)
        run.wait_steps(len(run.steps) + 5 * MEASURED_STEPS)
        steps = run.steps[-5 * MEASURED_STEPS:]
    return {"share": [step["backup_seconds"] / step["seconds"] for step in steps]}


ROWS = {
    "spare": ("kill -9 of a rank, a spare there", "under 1 s", kill_with_spare),
    "no-spare": ("kill -9 of a rank, no spare", "under 1 s", kill_without_spare),
    "hang": ("SIGSTOP of a rank, a spare there", "under 1.5 s", hang_with_spare),
    "single": ("kill -9 of a single rank", "under 2 s", kill_single),
    "coordinator": ("kill -9 of the coordinator: steps delayed", "0", lambda b: kill_helper(b, "coordinator")),
    "agent": ("kill -9 of the agent: steps delayed", "0", lambda b: kill_helper(b, "agent")),
    "growth": ("growth 1 -> 2 -> 4 ranks: pause", "under 1 s", growth),
    "backups": ("backups and their hashes, share of a step", "under 3%", backups),
    "two-against-one": ("2 ranks x 1 thread against 1 x 2, tokens/s", "over 0.9", two_against_one),
}


def result_text(row):
    if "skipped" in row:
        return f"skipped: {row['skipped']}"
    if "steps" in row:
        text = f"{sum(row['steps'])} in {len(row['steps'])} kills; longest {max(row['longest_delay_seconds']):+.3f} s"
        return text + f"; without a kill {sum(row['steps_without_a_kill'])}"
    if "share" in row:
        return f"{100 * median(row['share']):.1f}% (median of {len(row['share'])} steps)"
    values, unit = (row["ratio"], " x") if "ratio" in row else (row["seconds"], " s")
    text = f"{median(values):.3f}{unit} ({min(values):.3f}-{max(values):.3f}, {len(values)} times)"
    if "with_the_step_seconds" in row:
        text += f"; with the step {median(row['with_the_step_seconds']):.3f} s"
    if "same_bits" in row:
        text += ", same bits" if row["same_bits"] else ", OTHER BITS"
        text += f"; from the request {median(row['from_the_request_seconds']):.3f} s"
    return text


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="of: " + ", ".join(ROWS))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the moments and victims")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of all ranks together")
    parser.add_argument("--program", type=Path, default=ROOT / "build/release/colossus")
    parser.add_argument("--config", type=Path, default=ROOT / "configs/kjv.toml")
    parser.add_argument("--data", type=Path, default=ROOT / "data/kjv")
    parser.add_argument("--work", help="folder for the runs; default: the system's for temporary files")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args()


def measure(bench, name):
    what, bar, function = ROWS[name]
    say(f"  {what} ({bar})")
    try:
        row = function(bench)
    except NotThere as error:
        row = {"skipped": str(error)}
    row.update(name=name, what=what, bar=bar)
    say(f"    {result_text(row)}")
    return row


def main():
    args = parse_arguments()
    names = [name for name in args.rows.split(",") if name]
    unknown = sorted(set(names) - set(ROWS))
    if unknown:
        sys.exit(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    for path, remedy in ((args.program, "make build"), (args.data, "make train prepares it")):
        if not path.exists():
            sys.exit(f"{path} is not there: {remedy}")
    bench = Bench(args)
    machine = {"processor": processor(), "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    say(f"{machine['processor']}, {machine['cores']} cores, load {machine['load_before']:.2f}; seed {args.seed}")
    try:
        rows = [measure(bench, name) for name in names]
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)
    say(f"\n{machine['processor']}\n| what | bar | result |\n|---|---|---|")
    for row in rows:
        say(f"| {row['what']} | {row['bar']} | {result_text(row)} |")
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
