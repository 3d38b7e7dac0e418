"""Shows that the peer computes the same model: its losses and gradients against
the reference cases of tests/conformance (float64, written independently).

    check.py tests/conformance/*.json

Exit code 1 if a relative error is past 1e-4. Fused attention is left out: it
has no soft cap.
"""
import json
import pathlib
import struct
import sys

import torch

from grok import Grok

TOLERANCE = 1e-4


def load(path):
    raw = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    kinds = {"F64": torch.float64, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(body[begin:end]), dtype=kinds[entry["dtype"]])
        tensors[name] = flat.view(entry["shape"])
    return tensors


def collect(c, find):
    """The peer's parameters by its own names, from the reference's."""
    out = {"embedding": find("model.embed_tokens.weight"), "norm.weight": find("model.norm.weight")}
    if not c["tie_embeddings"]:
        out["head"] = find("lm_head.weight")
    for i in range(c["num_layers"]):
        theirs, ours = f"model.layers.{i}.", f"layers.{i}."
        for norm in ("pre_attn_norm", "post_attn_norm", "pre_moe_norm", "post_moe_norm"):
            out[f"{ours}{norm}.weight"] = find(f"{theirs}{norm}.weight")
        out[ours + "attention.qkv"] = torch.cat([find(f"{theirs}self_attn.{s}_proj.weight") for s in "qkv"])
        out[ours + "attention.o"] = find(theirs + "self_attn.o_proj.weight")
        if c["dense_ffn_dim"]:
            out[ours + "dense.gate_up"] = torch.cat([find(f"{theirs}mlp.{s}_proj.weight") for s in ("gate", "up")])
            out[ours + "dense.down"] = find(theirs + "mlp.down_proj.weight")
        if c["num_experts"]:
            moe = theirs + "block_sparse_moe."
            experts = [f"{moe}experts.{e}." for e in range(c["num_experts"])]
            out[ours + "experts.router"] = find(moe + "gate.weight")
            out[ours + "experts.gate_up"] = torch.stack(
                [torch.cat([find(e + "w1.weight"), find(e + "w3.weight")]) for e in experts]
            )
            out[ours + "experts.down"] = torch.stack([find(e + "w2.weight") for e in experts])
    return out


def relative_error(got, want):
    return float((got.double() - want).norm() / want.norm().clamp_min(1e-30))


def check(path, compiled, product):
    case = json.loads(pathlib.Path(path).read_text())
    tensors = load(pathlib.Path(path).with_suffix(".safetensors"))
    c, tokens = case["model"], tensors["tokens"]
    model = Grok(c, tokens.shape[1] - 1, product=product)
    weights = collect(c, lambda name: tensors["param/" + name])
    model.load_state_dict({name: w.float() for name, w in weights.items()})
    losses = torch.compile(model) if compiled else model
    loss, aux = losses(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
    (loss + aux).backward()
    errors = [relative_error(loss.detach(), tensors["loss"])]
    if c["num_experts"]:
        errors.append(relative_error(aux.detach(), tensors["aux_loss"]))
    gradients = collect(c, lambda name: tensors["grad/" + name])
    errors += [relative_error(p.grad, gradients[name]) for name, p in model.named_parameters()]
    return max(errors)


def main():
    paths = [a for a in sys.argv[1:] if not a.startswith("--")]
    compiled = "--compiled" in sys.argv
    product = "grouped" if "--grouped" in sys.argv else "loop"
    worst = 0.0
    for path in paths:
        error = check(path, compiled, product)
        print(f"{error:.2e}  {path}", flush=True)
        worst = max(worst, error)
    print(f"PyTorch {torch.__version__}: {len(paths)} cases, worst relative error {worst:.2e}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
