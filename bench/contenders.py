"""The processes that `make bench` lets race: ours and PyTorch's, each of which
takes "run N" on its standard input and answers with a line of JSON."""
import glob
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLOSSUS = ROOT / "build/release/colossus"
VENV_PYTHON = ROOT / "build/bench-venv/bin/python"
DEBIAN_PYTHON = pathlib.Path("/usr/bin/python3")
LOGS = ROOT / "build/bench"
# For a peer that must not use more than AVX2, as ours under --target avx2.
AVX2_ONLY = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2"}


class Contender:
    """A process; `steps` a run is set by the first measurement."""

    def __init__(self, name, command, env=None, first_line=None, cwd=ROOT):
        LOGS.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.steps = 1
        self.log = LOGS / (name.replace(" ", "_") + ".log")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            env={**os.environ, **(env or {})},
            text=True,
            cwd=cwd,
        )
        if first_line is not None:
            self._say(first_line)
        self.hello = self._hear()

    def _say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended; see {self.log}")
        return json.loads(line)

    def ask(self, command):
        self._say(command)
        return self._hear()

    def seconds_per_step(self):
        return self.ask(f"run {self.steps}")["seconds"] / self.steps

    def settle(self, run_seconds):
        """Warms up and chooses how many steps make a run of that length."""
        self.seconds_per_step()
        self.steps = max(1, round(run_seconds / self.seconds_per_step()))

    def close(self):
        try:
            self._say("quit")
            self.process.wait(timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def start_ours(config, threads, target):
    flags = ["--serve", "--threads", threads, "--target", target]
    return Contender("colossus", [COLOSSUS, "bench", "step", config, *flags])


def jemalloc():
    """Keeps memory from step to step, in huge pages: worth 20-30% to PyTorch."""
    found = sorted(glob.glob("/usr/lib/*/libjemalloc.so.2"))
    if not found:
        return {}
    return {"LD_PRELOAD": found[0], "MALLOC_CONF": "thp:always,dirty_decay_ms:-1,muzzy_decay_ms:-1"}


def openblas_openmp():
    """Debian's PyTorch takes the system's BLAS: the one that obeys OpenMP."""
    found = sorted(glob.glob("/usr/lib/*/openblas-openmp"))
    return {"LD_LIBRARY_PATH": found[0]} if found else {}


def has_torch(python):
    probe = [str(python), "-c", "import torch"]
    return python.exists() and subprocess.run(probe, capture_output=True).returncode == 0


def list_peers(model, only=None):
    """(name, python, mode, environment) of every form of PyTorch that is here."""
    modes = ["eager", "eager-fused", "compiled", "compiled-fused"]
    if model["num_experts"]:
        modes = ["eager", "eager-grouped", "compiled", "compiled-fused"]
    peers = []
    if has_torch(VENV_PYTHON):
        peers += [(f"pip {mode}", VENV_PYTHON, mode, {}) for mode in modes]
    if has_torch(DEBIAN_PYTHON):
        peers.append(("debian eager", DEBIAN_PYTHON, "eager", openblas_openmp()))
    return [p for p in peers if only is None or p[0] in only]


def start_peer(peer, described, target):
    name, python, mode, env = peer
    env = {**jemalloc(), "OMP_NUM_THREADS": str(described["threads"]), **env}
    if target == "avx2":
        env.update(AVX2_ONLY)
    env["TORCHINDUCTOR_CACHE_DIR"] = str(LOGS / ("inductor-" + target))
    trainer = ROOT / "bench/peers/trainer.py"
    return Contender(name, [python, trainer, mode], env, json.dumps(described))
