#!/usr/bin/env python3
"""Writes reference_costs.csv, beside this file: step time and memory of each
published run that counts, under the calibration of ../calibration.cc.

    python3 src/planner/testdata/reference_costs.py

A second program for the planner's formulas (docs/planner.md has their names,
T1 to T17 and M1 to M6): it comes from the research model that they were
developed in, shares no code with src/planner, and reads hardware and defaults
from its own tables below. run_workload_test.cc compares the two to 1e-6. After
a new fit or a new figure of a GPU, run it again; the figures of its table GPUS
are typed in by hand. It needs nothing but Python.

Units: seconds, bytes, FLOP. tok: tokens of a micro-batch on a rank.
"""
import csv
import math
import pathlib
import re

HERE = pathlib.Path(__file__).parent
RUNS = HERE.parent / "data" / "published_runs.csv"
CALIBRATION = HERE.parent / "calibration.cc"

#        16 bit    8 bit      4 bit     memory    NVLink SMs  boost Hz  exp/clock
GPUS = {
    "A100-40": (312e12, 312e12, 312e12, 1.555e12, 300e9, 108, 1.410e9, 16),
    "A100": (312e12, 312e12, 312e12, 2.039e12, 300e9, 108, 1.410e9, 16),
    "H100": (989.4e12, 1978.9e12, 1978.9e12, 3.35e12, 450e9, 132, 1.830e9, 16),
    "H100-96": (989.4e12, 1978.9e12, 1978.9e12, 2.4e12, 450e9, 132, 1.83e9, 16),
    "H200": (989.4e12, 1978.9e12, 1978.9e12, 4.8e12, 450e9, 132, 1.830e9, 16),
    "B200": (2250e12, 4500e12, 9000e12, 8e12, 900e9, 148, 1.965e9, 16),
    "GB200": (2500e12, 5000e12, 10000e12, 8e12, 900e9, 152, 1.965e9, 16),
    "B300": (2250e12, 4500e12, 13500e12, 8e12, 900e9, 148, 1.920e9, 32),
    "GB300": (2500e12, 5000e12, 15000e12, 8e12, 900e9, 152, 1.920e9, 32),
}
TILES = ((128, 256), (256, 128), (128, 128), (64, 128), (64, 64))

# Layers that bloomtest leaves empty (the FLOP/s that it prints fix them).
BLOOMTEST_LAYERS = {1: 80, 2: 80, 3: 78, 4: 77, 5: 80, 6: 81, 8: 77, 9: 72,
                    10: 78, 11: 78, 12: 78, 16: 77, 17: 77, 18: 77, 19: 72,
                    20: 72}


def calibration():
    text = CALIBRATION.read_text()
    numbers = re.findall(r'\{&C::(\w+), \{"\w+", ([0-9.e+-]+),', text)
    assert len(numbers) == 40, len(numbers)
    return {name: float(value) for name, value in numbers}


class Row:
    """A published run with everything filled in. Flags say what its framework
    does; they are named after what they switch on."""

    def __init__(self, cells):
        self.id = cells["id"]
        number = lambda name, other=None: (
            float(cells[name]) if cells[name] else other)
        h = self.hidden = number("hidden")
        self.tp = number("tp", 1.0)
        self.pp = number("pp", 1.0)
        self.cp = number("cp", 1.0)
        self.ep = number("ep", 1.0)
        self.vpp = 2.0 if self.id == "titan-014" else number("vpp", 1.0)
        self.layers = number("layers")
        if self.id.startswith("bloomtest"):
            known = BLOOMTEST_LAYERS.get(int(self.id[-3:]))
            self.layers = float(known) if known else self.layers
        self.heads = number("heads") or self.likely_heads()
        self.head_dim = number("head_dim", h / self.heads)
        self.kv_heads = number("kv_heads", self.heads)
        self.ffn = number("ffn_hidden", 4 * h)
        self.vocab = number("vocab", 51200.0)
        self.seq_len = number("seq_len")
        self.matrices = 3 if cells["mlp_type"] == "gated" else 2
        self.experts = number("experts", 0.0)
        self.topk = number("topk", 1.0)
        self.num_gpus = number("num_gpus")
        self.dp = self.num_gpus / (self.tp * self.pp * self.cp)
        micro_batch = number("micro_batch")
        self.batch = number("global_batch_sequences")
        if self.batch is None and self.id.startswith("titan"):
            self.batch = micro_batch * number("dp")
        if re.fullmatch(r"titan-01[3-8]", self.id):
            # A replica's local batch, cut into as many pieces as stages.
            micro_batch = max(1.0, self.batch / self.dp / self.pp)
        self.micro_batch = micro_batch
        self.num_micro_batches = self.batch / (self.dp * micro_batch)
        self.measures_memory = bool(cells["mem_gib_per_gpu"])
        self.set_machine(cells)
        self.set_software(cells)

    def likely_heads(self):
        """Of those that divide hidden and tp, head_dim nearest to 128."""
        fits = [h for h in range(1, 1025)
                if self.hidden % h == 0 and self.hidden // h % self.tp == 0]
        return self.hidden // min(fits, key=lambda d: abs(math.log(d / 128)))

    def set_machine(self, cells):
        gpu, family = cells["gpu"], cells["family"]
        names = [("A100 40", "A100-40"), ("A100", "A100"), ("H100", "H100"),
                 ("H200", "H200"), ("GB200", "GB200"), ("GB300", "GB300"),
                 ("B200", "B200")]
        key = next((k for start, k in names if gpu.startswith(start)), "B300")
        if family == "titan" and gpu.startswith("H100"):
            key = "H100-96"
        self.key = key
        (self.peak16, self.peak8, self.peak4, self.memory_bw, self.nvlink,
         self.sms, clock, per_clock) = GPUS[key]
        self.exponentials = self.sms * clock * per_clock
        self.ampere, self.hopper = key[0] == "A", key[0] == "H"
        self.grace, self.ultra = key[0] == "G", key.endswith("B300")
        self.domain = 72.0 if "NVL72" in gpu else 8.0
        network = cells["internode_network"]
        self.omni_path = "Omni" in network
        if self.omni_path:
            self.network = 4 * 100e9 / 8 / 8
        elif "1600 Gb/s per node" in network:
            self.network = 1600e9 / 8 / 8
        elif "800 Gb/s per node" in network:
            self.network = 800e9 / 8 / 8
        else:
            self.network = 25e9 if self.ampere else (
                100e9 if key == "GB300" else 50e9)

    def set_software(self, cells):
        framework, version = cells["framework"], cells["framework_version"]
        precision, name = cells["precision"] or "fp16", cells["model_name"]
        low = precision.lower()
        self.bits = 4 if "nvfp4" in low else 8 if "fp8" in low else 16
        if self.ampere:
            self.bits = 16
        self.megatron = (cells["attention"] == "unfused" or
                         framework in ("megatron-lm", "megatron-deepspeed"))
        self.deepspeed = framework == "megatron-deepspeed"
        self.nemo = framework in ("nemo", "megatron-bridge")
        self.mpt = framework == "llm-foundry"
        self.titan = framework == "torchtitan"
        self.moe = cells["kind"] == "moe"
        self.latent = bool(re.search("DeepSeekV3|Kimi", name))
        self.oss = "OSS" in name
        kimi = "Kimi" in name
        deepseek = self.latent and not kimi
        recent = (self.nemo and re.match(r"2\d\.", version) and
                  version[:5] >= "26.06")
        b300 = self.key == "B300"
        self.whole_graph = bool(
            self.moe and recent and "mx" in precision and not kimi and
            (self.grace or b300 and self.num_gpus <= 8))
        self.some_graph = bool(
            self.moe and self.nemo and not self.whole_graph and not kimi and
            not (deepseek and self.key == "GB300") and
            (self.grace or b300 and
             (self.oss or deepseek and version[:5] >= "26.04")))
        self.slow_gradient = self.oss and version == "26.06.01"
        self.flash = self.mpt or self.titan
        recompute = cells["recompute"]
        self.full = recompute == "full"
        self.selective = recompute == "selective"
        self.every_second_layer = "per layer" in cells["notes"]
        self.sequence_parallel = self.tp > 1 and (
            cells["sequence_parallel"] == "yes" or self.nemo or self.titan)
        self.fused = self.megatron or cells["compiled"] == "yes" or (
            self.titan and not cells["compiled"] and
            (version.startswith("2024-12") or self.bits == 8))
        self.tensor_overlap = (self.nemo and self.bits != 4 or
                               cells["overlap"] == "async TP")
        zero = cells["zero_or_fsdp"]
        zero2 = "ZeRO-2" in zero
        self.fsdp = ("FSDP" in zero and "no FSDP" not in zero or
                     "ZeRO-3" in zero or zero2)
        self.fsdp_once = zero2 or self.titan and self.pp > 1
        self.amp = precision.startswith("amp")
        self.fp32_gradients = "fp32 grad" in precision
        self.zero1 = self.omni_path or self.nemo
        self.fused_loss = self.nemo or self.titan and version.startswith("2025")
        self.mtp = deepseek and "w/o MTP" not in name

    # Shapes that time and memory share.
    def attention_weights(self):
        h, q, kv, d = self.hidden, self.heads, self.kv_heads, self.head_dim
        if self.latent:
            return h * (1536 + 576) + 1536 * q * 192 + 512 * q * 256 + q * 128 * h
        return h * (q + 2 * kv) * d + q * d * h

    def experts_of_rank(self):
        return max(max(self.experts, 1) / self.ep, 1)

    def slots(self, layers):
        """Embedding and head stand in slots of stages."""
        chunks = self.pp * self.vpp
        return layers % chunks != 0 and (layers + 2) % chunks == 0

    def expert_replicas(self):
        return max(self.dp * self.cp * self.tp / max(self.ep, 1), 1)


def product(r, c, rate, m, n, k, groups=1):
    """T1: the best tile."""
    best = math.inf
    for tm, tn in TILES:
        waves = math.ceil(
            groups * math.ceil(m / tm) * math.ceil(n / tn) / r.sms)
        small = 1 + c["small_tile"] * ((tm + tn) / (tm * tn) - 384 / 32768)
        flops = waves * r.sms * 2 * tm * tn * (k + c["tile_depth"]) * small
        best = min(best, flops / rate)
    if n % 64 != 0 or k % 64 != 0:
        best *= c["misaligned"]
    traffic = 2.0 * groups * (m * k + k * n + m * n)
    return max(best, traffic / (r.memory_bw * c["memory_rate"]))


def linear(r, c, rate, m, n, k, groups=1):
    """[forward, backward] of a product with weights."""
    return (product(r, c, rate, m, n, k, groups),
            product(r, c, rate, m, k, n, groups) +
            product(r, c, rate, n, k, m, groups))


def add(*pairs):
    return tuple(map(sum, zip(*pairs)))


def attention_core(r, c, clock, rate16):
    """T3: [forward, backward]."""
    s, q, tp, cp = r.seq_len, r.heads, r.tp, r.cp
    if r.megatron:
        short, batches = min(s, 8192), r.micro_batch * q / tp / cp
        products = (
            product(r, c, rate16, short, short, r.head_dim, batches) +
            product(r, c, rate16, short, r.head_dim, short, batches))
        unfused = 1 if r.micro_batch * q / tp % 4 == 0 else c["unfused_softmax"]
        chain = (c["softmax_bytes"] * batches * short * short * unfused /
                 (r.memory_bw * c["memory_rate"]))
        return products + chain, 2 * products + 1.3 * chain
    share = c["cudnn_attention"]
    if r.flash:
        share = c["flash1"] if r.mpt else c["flash2"]
        share *= c["flash_on_hopper"] if r.hopper else 1
    rate = (r.peak8 if r.whole_graph else r.peak16) * clock * share
    windowed = 0.5 if r.oss else 1.0  # every other layer, of 128 tokens
    scores = r.micro_batch * q / tp * s * s / cp / 2 * windowed
    d = 160 if r.latent else r.head_dim
    return (scores * (4 * d / rate + 1 / r.exponentials),
            scores * (10 * d / rate + 1 / r.exponentials))


def step_seconds(r, c):
    h, tp, q, kv, d, f = (r.hidden, r.tp, r.heads, r.kv_heads, r.head_dim,
                          r.ffn)
    tok = r.micro_batch * r.seq_len / r.cp
    up = 2 if r.matrices == 3 else 1
    bw = r.memory_bw * c["memory_rate"]
    nvlink, network = r.nvlink * c["nvlink_rate"], r.network * c["network_rate"]
    generation = "ampere" if r.ampere else "hopper" if r.hopper else "blackwell"
    clock = c["ultra"] if r.ultra else 1.0
    if r.key == "H100-96":
        clock = (500 / 700) ** c["power_exponent"]
    rate16 = r.peak16 * c["bf16_" + generation] * clock
    rate = rate16
    if r.bits == 8:
        rate = r.peak8 * clock * c["fp8_hopper" if r.hopper else "fp8_blackwell"]
    elif r.bits == 4:
        rate = r.peak4 * c["fp4_blackwell"]

    # T2
    if r.latent:
        attention = add(linear(r, c, rate, tok, 1536 + 576, h),
                        linear(r, c, rate, tok, q * 192 / tp, 1536),
                        linear(r, c, rate, tok, q * 256 / tp, 512),
                        linear(r, c, rate, tok, h, q * 128 / tp))
    else:
        attention = add(linear(r, c, rate, tok, (q + 2 * kv) * d / tp, h),
                        linear(r, c, rate, tok, h, q * d / tp))
    dense = add(linear(r, c, rate, tok, f * up / tp, h),
                linear(r, c, rate, tok, h, f / tp))
    experts = r.experts_of_rank()
    routed = tok / tp * r.topk * r.ep / max(r.experts, 1)
    grouped = rate * c["grouped"]
    mlp = dense
    if r.moe:
        mlp = add(linear(r, c, grouped, routed, f * up, h, experts),
                  linear(r, c, grouped, routed, h, f, experts))
        mlp = add(mlp, dense) if r.latent else mlp
    core = attention_core(r, c, clock, rate16)  # T3

    # T4 to T7
    shared = f / tp if r.latent else 0
    inner = f * r.topk / tp + shared if r.moe else f / tp
    narrow = h / tp if r.sequence_parallel else h
    passes = c["fused_elementwise" if r.fused else "separate_elementwise"]
    elementwise = 2 * tok * passes * (
        12 * narrow + 2 * q * d / tp + (2 * up + 1) * inner)
    if r.bits < 16:
        elementwise += c["quantize_bytes"] * tok * (
            2 * h + q * d / tp + inner * (1 + up) / 2)
    elementwise /= bw
    weight_gradients = 0
    if r.moe:
        weight_gradients = 4 * experts * r.matrices * h * f / bw
    elif r.nemo:
        plain = h * (q + 2 * kv) * d + q * d * h + r.matrices * h * f
        weight_gradients = 4 * plain / tp / bw
    permute = bias = slow = all_to_all = 0
    if r.moe:
        permute = c["permute_passes"] * 2 * tok / tp * r.topk * h / bw
        if r.oss and not r.whole_graph:
            bias = c["expert_bias_passes"] * 2 * tok / tp * r.topk * f / bw
        if r.ep > 1 and not r.whole_graph:
            nodes = max(r.ep / r.domain, 1)
            reached = nodes * (1 - (1 - 1 / nodes) ** r.topk)
            hops = (reached * (1 - 1 / nodes) / network if r.ep > r.domain else
                    r.topk * (1 - 1 / r.ep) / nvlink)
            all_to_all = 2 * 2 * tok / tp * h * hops
    if r.slow_gradient:
        slow = (c["biased_gradient_slowdown"] - 1) * product(
            r, c, grouped, routed, f, h, experts)

    # T8, T9
    tensor = 0
    if tp > 1:
        link = network * r.domain if tp > r.domain else nvlink
        tensor = 2 * 2 * tok * h * 2 * (tp - 1) / tp / link
        tensor *= c["tensor_exposed"] if r.tensor_overlap else 1
    ring = 0
    if r.cp > 1:
        link = network if r.cp * tp > r.domain else nvlink
        ring = tok * 2 * kv * d / tp * 2 * (r.cp - 1) / link

    forward = (attention[0] + mlp[0] + core[0] + elementwise + permute +
               all_to_all + tensor + bias / 3 + max(ring - core[0], 0))
    backward = (attention[1] + mlp[1] + core[1] + 2 * elementwise +
                weight_gradients + 2 * permute + all_to_all + tensor +
                bias * 2 / 3 + slow + max(2 * ring - core[1], 0))
    again = 0  # T10
    if r.full:
        again = forward
    elif r.selective and r.titan:
        again = (0.5 * forward if r.every_second_layer else
                 0.5 * (attention[0] + mlp[0]) + elementwise)
    elif r.selective:
        again = core[0]
    layer = forward + backward + again
    if r.moe and not r.whole_graph and not r.some_graph:
        layer = max(layer, c["moe_host_seconds"])  # T11

    # T12
    head_products = linear(r, c, rate16, tok, r.vocab / tp, h)
    head = sum(head_products) + c["loss_bytes"] * tok * r.vocab / tp / bw
    head *= 2 if r.mtp else 1

    # T13
    layers, chunks = r.layers + (1 if r.mtp else 0), r.pp * r.vpp
    if r.latent:
        most = math.ceil((layers + 1) / chunks) * r.vpp
        last = (most - 2) * layer + head
    elif layers % chunks == 0:
        most = layers / r.pp
        last = most * layer + head
    elif r.slots(layers):
        most = (layers + 2) / r.pp
        last = (most - 1) * layer + head
    else:
        most = math.ceil(layers / chunks) * r.vpp
        last = max(layers - (r.pp - 1) * most, 0) * layer + head
    if r.slots(layers):
        last = (most - 1) * layer + head
    stage = layers * layer + head if r.pp == 1 else max(most * layer, last)
    mean = (layers * layer + head) / r.pp

    # T14
    per_layer = r.attention_weights() + (
        r.matrices * h * f if not r.moe or r.latent else 0)
    weights = (layers / r.pp * per_layer / tp +
               r.vocab * h / tp * (2 if r.pp == 1 else 1))
    expert_weights = (
        layers / r.pp * experts * r.matrices * h * f if r.moe else 0)
    beyond = r.num_gpus > r.domain and r.dp * r.cp * tp > r.domain
    efficiency = c["omni_path_rate" if r.omni_path else "network_rate"]
    link = nvlink
    if beyond:
        link = min(r.network * r.domain / min(tp, r.domain) * efficiency,
                   nvlink)
    gather = (1.0 if r.titan and r.bits == 8 else 2.0) * weights / link
    scatter = (4.0 if r.titan or r.mpt and r.amp else 2.0) * weights / link
    held = layers if r.pp == 1 else most
    fsdp = fsdp_once = 0
    if r.fsdp:
        gathers = 0 if r.fsdp_once else gather
        scatters = 0 if r.titan and r.pp > 1 else scatter
        fsdp = (max(gathers - held * forward - head / 3, 0) +
                max(gathers + scatters - held * (backward + again) -
                    head * 2 / 3, 0) +
                c["fsdp_slowdown"] * (2 * gathers + scatters))
        if r.fsdp_once:
            fsdp_once = (gather + (scatter if scatters == 0 else 0)) * c[
                "fsdp_slowdown"]

    # T15
    send = 0
    if r.pp > 1 and r.pp * tp * r.cp > r.domain:
        send = (r.vpp * 4 * tok * h / (1 if r.deepspeed else tp) /
                (r.network * efficiency))
        send *= c["pipeline_exposed"] if r.vpp > 1 else 1
    bubble = (r.pp - 1) / r.vpp * (mean + send)

    # T16
    gradient = 4 if r.fp32_gradients else 2
    replicas, expert_replicas = r.dp * r.cp, r.expert_replicas()
    exchange = 0
    if not r.fsdp:
        volume = gradient + 2
        if r.megatron:
            volume = 2 * gradient + (2 if r.omni_path else 0)
        exchange = volume * weights * (replicas - 1) / replicas / link
        if r.moe and expert_replicas > 1:
            exchange += ((gradient + (2 if r.zero1 else gradient)) *
                         expert_weights *
                         (expert_replicas - 1) / expert_replicas /
                         min(link, r.network * efficiency))
        exchange *= c["gradient_exposed"] if r.nemo else 1
    shares = r.fsdp or r.zero1
    optimizer = 30 * (weights / (replicas if shares else 1) + expert_weights /
                      (expert_replicas if shares else 1)) / bw

    total = (r.num_micro_batches * (stage + fsdp + send) + bubble + exchange +
             optimizer + fsdp_once)
    jitter = c["jitter"] * math.log2(max(r.num_gpus / 8, 1))  # T17
    return total * (1 + jitter)


def stages(r):
    """Layers of the first, the second and the last stage."""
    layers, chunks = r.layers, r.pp * r.vpp
    if layers % chunks == 0:
        return (layers / r.pp,) * 3
    if r.slots(layers):
        stage = (layers + 2) / r.pp
        return stage - 1, stage, stage - 1
    stage = math.ceil(layers / chunks) * r.vpp
    return stage, stage, layers - (r.pp - 1) * stage


def in_flight(r, stage):
    """Micro-batches of which stage 0 or 1 holds activations."""
    if r.pp == 1:
        return 1
    held = r.pp - stage
    if r.vpp > 1:
        held = ((r.vpp - 1) * r.pp + 2 * (r.pp - 1 - stage) + 1) / r.vpp
    return min(r.num_micro_batches, held)


def stage_bytes(r, c, layers, has_embedding, has_head, held):
    """Allocated by one stage that holds `held` micro-batches."""
    h, tp, q, kv, d, f = (r.hidden, r.tp, r.heads, r.kv_heads, r.head_dim,
                          r.ffn)
    tok = r.micro_batch * r.seq_len / r.cp
    up = 2 if r.matrices == 3 else 1
    per_layer = (r.attention_weights() +
                 (r.matrices * h * f if not r.moe or r.latent else 0)) / tp
    experts = (layers * r.experts_of_rank() * r.matrices * h * f
               if r.moe else 0)
    tied = r.megatron or r.mpt
    tables = r.vocab * h / tp * (
        2 if has_embedding and has_head and not tied else
        1 if has_embedding or has_head else 0)
    weights, replicas = layers * per_layer + tables, r.dp * r.cp
    # M1
    if r.fsdp:
        per_weight = 16.0 / replicas
    else:
        per_weight = (2 + (6.0 if r.fp32_gradients else 2.0) +
                      (18.0 if r.omni_path else 12.0) /
                      (replicas if r.zero1 else 1.0))
    sharing = r.expert_replicas() if r.fsdp or r.zero1 else 1
    states = per_weight * weights + (4 + 12 / sharing) * experts
    # M2
    gathered = 0
    if r.fsdp:
        gathered = (6.0 * weights if r.titan and r.pp > 1 else
                    8 * per_layer + 3 * tables)
    # M3
    shard = tp if r.sequence_parallel else 1
    kept = (2 if r.moe else 4) * 2 * h / shard + (
        (2 * q + 2 * kv) * d + (0 if r.moe else (up + 1) * f)) / tp * 2
    if r.moe:
        kept += (r.topk * (h + (up + 1) * f) * 2 + 4 * h) / tp
    if r.latent:
        kept += (up + 1) * f * 2
    scores = 5 * q / tp * r.seq_len if r.megatron else 0
    inputs = 2 * h / shard
    if r.full:
        per_token = inputs
    elif r.selective and r.titan:
        per_token = ((inputs + kept) / 2 if r.every_second_layer else
                     2 * (2 * h + 2 * q * d + kv * d + f) / tp)
    else:
        per_token = kept + (0 if r.selective else scores)
    live = (kept + (scores if r.full else 0)) * tok
    live += 3 * 2 * h * tok if r.sequence_parallel else 0
    # M4
    logit = c["logit_bytes"]
    if r.mpt or r.fused_loss:
        logit = c["fused_loss_bytes"]
    if has_head:
        live = max(live, logit * tok * r.vocab / tp)
    buffers = 2 * 5e8 * 2.0 if r.omni_path else 0  # M5
    return states + gathered + per_token * tok * layers * held + live + buffers


def memory_bytes(r, c):
    """As the row's source measured it, of the heaviest stage."""
    first, second, last = stages(r)
    allocated = stage_bytes(r, c, first, True, r.pp == 1, in_flight(r, 0))
    if r.pp > 1:
        allocated = max(allocated, stage_bytes(r, c, last, False, True, 1))
    if r.pp > 2 and second > first:
        allocated = max(allocated, stage_bytes(r, c, second, False, False,
                                               in_flight(r, 1)))
    return allocated * c["reserve"] + (
        c["context_bytes"] if r.megatron else 0)  # M6


def counts(cells):
    is_timed = cells["step_time_s"] or cells["tokens_per_s_per_gpu"]
    return (cells["quality"] in ("A", "A-") and is_timed and
            cells["id"] != "mbridge-104")  # which no machine can have done


def main():
    c = calibration()
    with open(RUNS, newline="") as file:
        rows = [Row(cells) for cells in csv.DictReader(file) if counts(cells)]
    with open(HERE / "reference_costs.csv", "w") as file:
        file.write("id,step_seconds,memory_bytes\n")
        for r in rows:
            memory = f"{memory_bytes(r, c):.12g}" if r.measures_memory else ""
            file.write(f"{r.id},{step_seconds(r, c):.12g},{memory}\n")


if __name__ == "__main__":
    main()
