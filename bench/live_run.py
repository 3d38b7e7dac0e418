"""A run of `colossus train`, driven and watched from outside.

Starts the program, follows the run's journal, finds its processes. What happened
when is read from the journal: `at` of an event is the wall clock of the rank
that tells of it; where there is none, `time` is when the line was written.
"""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOOK_SECONDS = 0.002
PATIENCE_SECONDS = 60


class NotThere(Exception):
    """The program lacks what a measurement needs, or did not do it in time."""


def moment(event):
    return event.get("at") or event["time"]


def command_line(pid):
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words]


def processes_of(folder, role):
    """The pids of `colossus ROLE FOLDER ...`, whoever their parent is."""
    wanted = os.path.realpath(folder)
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        words = command_line(entry.name)
        if len(words) < 3 or words[1] != role or not words[0].endswith("colossus"):
            continue
        if any(os.path.realpath(os.path.join(ROOT, word)) == wanted for word in words[2:] if word):
            found.append(int(entry.name))
    return found


class LiveRun:
    """Use as a context: what still runs at its end is stopped, then killed."""

    def __init__(self, program, config, folder, words, settings):
        self.program, self.folder = str(program), Path(folder)
        command = [self.program, "train", str(config), *map(str, words)]
        for key, value in {**settings, "run.dir": json.dumps(str(folder))}.items():
            command += ["--set", f"{key}={value}"]
        self.log = open(f"{folder}.log", "w")
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT)
        self.events, self.next, self._torn, self._file = [], 0, "", None
        self.ranks, self.ready, self.view, self.steps = {}, set(), None, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for role in ("coordinator", "agent", "rank"):
            for pid in processes_of(self.folder, role):
                os.kill(pid, signal.SIGKILL)
        self.log.close()

    def poll(self):
        """Takes in what the journal has that was not read yet."""
        if self._file is None:
            try:
                self._file = open(self.folder / "journal.jsonl")
            except FileNotFoundError:
                return
        self._torn += self._file.read()
        *lines, self._torn = self._torn.split("\n")
        for line in lines:
            event = json.loads(line)
            self.events.append(event)
            self._note(event)

    def _note(self, event):
        kind = event["event"]
        if kind == "rank_started":
            self.ranks[event["rank"]] = event["pid"]
        elif kind == "rank_ready":
            self.ready.add(event["rank"])
        elif kind == "rank_lost":
            self.ranks.pop(event["rank"], None)
            self.ready.discard(event["rank"])
        elif kind == "view":
            self.view, self.steps = event, []
        elif kind == "step":
            self.steps.append(event)

    def wait(self, condition, what, seconds=PATIENCE_SECONDS):
        """Looks at the journal until condition() holds."""
        until = time.monotonic() + seconds
        while True:
            over = self.process.poll() is not None
            self.poll()
            if condition():
                return
            if over:
                raise NotThere(f"the run ended while {what} was waited for; see {self.log.name}")
            if time.monotonic() > until:
                raise NotThere(f"{what} did not come in {seconds} s")
            time.sleep(LOOK_SECONDS)

    def wait_event(self, kind, test=lambda event: True, seconds=PATIENCE_SECONDS):
        """The next event of a kind behind the one that was returned last."""
        found = []

        def look():
            while self.next < len(self.events) and not found:
                event = self.events[self.next]
                self.next += 1
                if event["event"] == kind and test(event):
                    found.append(event)
            return bool(found)

        self.wait(look, f"event '{kind}'", seconds)
        return found[0]

    def pass_over_the_past(self):
        self.poll()
        self.next = len(self.events)

    def wait_steps(self, count):
        """Until the present view has made so many steps."""
        self.wait(lambda: len(self.steps) >= count, f"step {count} of a view")

    def hosts(self):
        """Ranks that own shards now."""
        return sorted(set(self.view["owners"])) if self.view else []

    def step_seconds(self, skip, count):
        """The mean of `count` steps of the present view, after `skip` others."""
        self.wait_steps(skip + count + 1)
        return (moment(self.steps[skip + count]) - moment(self.steps[skip])) / count
