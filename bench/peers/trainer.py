"""PyTorch's training step as a process that takes commands: the counterpart of
`colossus bench step --serve`.

    trainer.py MODE < commands

The first line of standard input describes the model, as `colossus bench step
--serve` prints it. Then, each answered by a line of JSON:

    run N    N steps: forward, backward, clip, AdamW   {"seconds": 1.3, "loss": 8.3}
    quit

MODE: eager, compiled, with -fused for PyTorch's fused attention (the soft cap
is off then) and -grouped for its grouped product of experts; or "eager-fused".
"""
import json
import sys
import time

import torch

from grok import Grok


def make_optimizer(model, o):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": o["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
    options = dict(lr=o["learning_rate"], betas=(o["beta1"], o["beta2"]), eps=o["eps"])
    if int(torch.__version__.split(".")[0]) >= 2:
        options["fused"] = True
    return torch.optim.AdamW(groups, **options)


class Trainer:
    def __init__(self, described, mode):
        c, run = described["model"], described["run"]
        parts = mode.split("-")
        self.model = Grok(
            c,
            run["seq_len"],
            attention="fused" if "fused" in parts else "softcap",
            product="grouped" if "grouped" in parts else "loop",
        )
        self.optimizer = make_optimizer(self.model, described["optimizer"])
        self.max_grad_norm = described["optimizer"]["max_grad_norm"]
        self.shape = (described["tokens_per_step"] // run["seq_len"], run["seq_len"] + 1)
        self.vocab_size = c["vocab_size"]
        self.losses = torch.compile(self.model) if "compiled" in parts else self.model

    def step(self):
        tokens = torch.randint(0, self.vocab_size, self.shape)
        loss, aux = self.losses(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
        (loss + aux).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss

    def run(self, steps):
        begin = time.perf_counter()
        for _ in range(steps):
            loss = self.step()
        return {"seconds": time.perf_counter() - begin, "loss": float(loss.detach())}


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    described = json.loads(sys.stdin.readline())
    torch.set_num_threads(described["threads"])
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    trainer = Trainer(described, sys.argv[1])
    trainer.run(3)  # compiles, warms up
    answer({"torch": torch.__version__, "parameters": sum(p.numel() for p in trainer.model.parameters())})
    for line in sys.stdin:
        words = line.split()
        if words[0] == "quit":
            break
        answer(trainer.run(int(words[1])))


if __name__ == "__main__":
    main()
