"""The matrix products of training shapes beside the libraries that are here:
runs build/release/bench/products_bench and reads its medians."""
import glob
import os
import subprocess

from contenders import ROOT

PRODUCTS_BENCH = ROOT / "build/release/bench/products_bench"
FORMS = {"": "all", "forward": "forward", "dx": "dx", "dw": "dw"}


def list_libraries():
    """MKL by pip (tools/setup-bench), Debian's OpenBLAS and oneDNN."""
    patterns = [
        str(ROOT / "build/bench-venv/lib/libmkl_rt.so.*"),
        "/usr/lib/*/openblas-openmp/libopenblas.so.0",
        "/usr/lib/*/libdnnl.so.2",
    ]
    return [found[-1] for found in (sorted(glob.glob(p)) for p in patterns) if found]


def measure_products(args, say):
    """{form: {contender: share of peak}}, form "all" first; None without the bench."""
    if not PRODUCTS_BENCH.exists():
        say(f"  {PRODUCTS_BENCH} is not there")
        return None
    command = [str(PRODUCTS_BENCH), "--threads", str(args.threads)]
    command += ["--rounds", "3" if args.quick else "7"]
    if args.target != "auto":
        command += ["--target", args.target]
    for library in list_libraries():
        command += ["--library", library]
    env = {**os.environ, "MKL_THREADING_LAYER": "GNU", "OMP_NUM_THREADS": str(args.threads)}
    if args.target == "avx2":
        env.update(MKL_ENABLE_INSTRUCTIONS="AVX2", DNNL_MAX_CPU_ISA="AVX2", OPENBLAS_CORETYPE="Haswell")
    output = subprocess.run(command, env=env, check=True, text=True, stdout=subprocess.PIPE).stdout
    say(output)
    return parse(output)


def parse(output):
    lines = output.splitlines()
    names = lines[0].split("%")[1].split()
    medians = {}
    for line in lines:
        if line.startswith("median"):
            words = line.split()[1:]
            form = words.pop(0) if words[0] in FORMS else ""
            medians[FORMS[form]] = {n: float(w) / 100 for n, w in zip(names, words)}
    return medians
