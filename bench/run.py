#!/usr/bin/env python3
"""`make bench`: Colossus beside the best PyTorch, in one run, on this machine.

For each model every form of PyTorch that is installed (tools/setup-bench) first
races alone against ours; then the best two race, turn by turn, and the
table takes the better one. Ratios are medians over pairs of neighbouring runs,
the FMA peak is measured between them. Builds nothing. All figures
also go to build/bench/results.json (docs/bench.md).

    bench/run.py [--models kjv,moe-12m] [--pairs 5] [--target avx2] [--quick]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

import contenders
from contenders import COLOSSUS, LOGS, ROOT
from products import measure_products

MODELS = ["dense-124m", "dense-12m", "moe-12m", "kjv"]
median = statistics.median


def say(text=""):
    print(text, flush=True)


def race(ours, peers, pairs):
    """Alternates ours with each peer; seconds a step by name, and the peaks."""
    times = {peer.name: [] for peer in peers}
    peaks = []
    for _ in range(pairs):
        for peer in peers:
            a = ours.seconds_per_step()
            b = peer.seconds_per_step()
            peaks.append(ours.ask("peak")["flops_per_second"])
            times[peer.name].append((a, b))
    return times, peaks


def screen(ours, described, args):
    """Median seconds a step of every form of PyTorch, and how it compares."""
    found = {}
    for peer in contenders.list_peers(described["model"], args.peers):
        try:
            with contenders.start_peer(peer, described, args.target) as process:
                process.settle(args.seconds)
                times, _ = race(ours, [process], 2 if args.quick else 3)
                torch = process.hello["torch"]
        except RuntimeError as error:
            say(f"  {peer[0]:24} not measured: {error}")
            continue
        pairs = times[peer[0]]
        seconds, ratio = median(b for _, b in pairs), median(b / a for a, b in pairs)
        tokens = described["tokens_per_step"] / seconds
        found[peer[0]] = {"tokens_per_second": tokens, "torch": torch, "ours_over_it": ratio}
        say(f"  {peer[0]:24} {tokens:9,.0f} tokens/s   ours {ratio:.2f} x   PyTorch {torch}")
    return found


def finals(ours, described, found, args):
    fastest = sorted(found, key=lambda name: -found[name]["tokens_per_second"])
    best = fastest[: 1 if args.quick else 2]
    peers = contenders.list_peers(described["model"], best)
    processes = [contenders.start_peer(peer, described, args.target) for peer in peers]
    for process in processes:
        process.settle(args.seconds)
    times, peaks = race(ours, processes, args.pairs)
    for process in processes:
        process.close()
    return times, median(peaks)


def ours_alone(ours, pairs):
    times, peaks = [], []
    for _ in range(pairs):
        times.append(ours.seconds_per_step())
        peaks.append(ours.ask("peak")["flops_per_second"])
    return times, median(peaks)


def contest(name, args):
    with contenders.start_ours(f"configs/{name}.toml", args.threads, args.target) as ours:
        described = ours.hello
        tokens, flops = described["tokens_per_step"], described["model_flops_per_token"]
        say(f"\n{name}: {tokens} tokens a step, {described['kernels']}")
        ours.settle(args.seconds)
        found = screen(ours, described, args)
        row = {"model": name, "kernels": described["kernels"], "screened": found}
        if not found:
            times, peak = ours_alone(ours, args.pairs)
            speed = tokens / median(times)
            return {**row, "tokens_per_second": speed, "mfu": speed * flops / peak, "peak_flops_per_second": peak}
        times, peak = finals(ours, described, found, args)
        best = min(times, key=lambda peer: median(b for _, b in times[peer]))
        pairs = times[best]
        ratios = [b / a for a, b in pairs]
        speed, theirs = tokens / median(a for a, _ in pairs), tokens / median(b for _, b in pairs)
        row.update(tokens_per_second=speed, mfu=speed * flops / peak, peak_flops_per_second=peak)
        row.update(best_peer=best, peer_tokens_per_second=theirs, peer_mfu=theirs * flops / peak)
        row.update(ratio=median(ratios), ratio_min=min(ratios), ratio_max=max(ratios), pairs=len(pairs))
        say(f"  best of PyTorch: {best}; ours {row['ratio']:.2f} x ({min(ratios):.2f}-{max(ratios):.2f})")
        return row


def colossus_bench(args, *words):
    flags = ["--threads", args.threads, "--target", args.target]
    command = [str(w) for w in (COLOSSUS, "bench", *words, *flags)]
    return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout


def show_parts(args):
    """Tables of kernels, tokens and checkpoints, as `colossus bench` prints."""
    parts = [["peak"], ["kernels"], ["tokenize"], ["checkpoint", "--folder", LOGS]]
    if args.quick:
        parts = [["peak"], ["tokenize"]]
    for part in parts:
        say(colossus_bench(args, *part))


def percent(share):
    return "-" if share is None else f"{100 * share:.1f}%"


def table(results):
    say(f"\n{results['machine']['processor']}, {results['machine']['kernels']}")
    say("| model | tokens/s | best PyTorch | | ratio (pairs) | share of peak | PyTorch's |")
    say("|---|---|---|---|---|---|---|")
    for row in results["models"]:
        ratio = "-"
        if "ratio" in row:
            ratio = f"{row['ratio']:.2f} x ({row['ratio_min']:.2f}-{row['ratio_max']:.2f})"
        peer = f"{row['peer_tokens_per_second']:,.0f}" if "ratio" in row else "-"
        say(
            f"| {row['model']} | {row['tokens_per_second']:,.0f} | {peer} | {row.get('best_peer', 'not here')} "
            f"| {ratio} | {percent(row['mfu'])} | {percent(row.get('peer_mfu'))} |"
        )
    for form, shares in (results.get("products") or {}).items():
        others = {name: share for name, share in shares.items() if name != "colossus"}
        best = max(others, key=others.get, default=None)
        ratio = f"{shares['colossus'] / others[best]:.2f} x" if best else "-"
        say(
            f"| products, {form} | | | {best or 'no library'} | {ratio} "
            f"| {percent(shares['colossus'])} | {percent(others.get(best))} |"
        )
    for row in results.get("decode", []):
        say(
            f"| decode, {row['subject']} | {row['tokens_per_second']:.1f} | | | "
            f"| {percent(row['read_share'])} of read bandwidth | |"
        )


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="configs, by name; empty: none")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of runs of the last race")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one run")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--target", default="auto", help="auto, avx512, avx2 or baseline")
    parser.add_argument("--peers", type=lambda s: s.split(","), help='only these: "pip compiled,debian eager"')
    parser.add_argument("--quick", action="store_true", help="fewer runs, fewer parts")
    parser.add_argument("--only-models", action="store_true", help="neither parts, products nor decoding")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if not COLOSSUS.exists():
        sys.exit(f"{COLOSSUS} is not there: make build")
    LOGS.mkdir(parents=True, exist_ok=True)
    results = json.loads(colossus_bench(args, "peak", "--json"))
    if not args.only_models:
        show_parts(args)
        say("products: share of peak, median of forward, dx and dw")
        results["products"] = measure_products(args, say)
        results["decode"] = json.loads(colossus_bench(args, "decode", "--json", "--repeats", 9))["decode"]
    results["models"] = [contest(name, args) for name in args.models.split(",") if name]
    table(results)
    (LOGS / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    say(f"\nall figures: {LOGS / 'results.json'}")


if __name__ == "__main__":
    main()
