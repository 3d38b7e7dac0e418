"""The Grok decoder (docs/architecture.md, tests/conformance/make_reference.py)
as one would write it in PyTorch to train fast on a CPU: the peer that
`make bench` races.

One product for q, k and v and one for gate and up; experts as one product each
over tokens sorted by expert; factors folded into what is small. Runs on
PyTorch 1.13 and 2.x. `attention` is "softcap" (the model as it is) or "fused":
PyTorch's fused attention, which knows no soft cap, so the cap is off.
"""
import math

import torch
import torch.nn.functional as F

from experts import expert_product


class RMSNorm(torch.nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        if hasattr(F, "rms_norm"):
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight


def softcap(x, cap):
    return cap * torch.tanh(x * (1 / cap)) if cap > 0 else x


def matrix(*shape):
    return torch.nn.Parameter(torch.randn(shape) / math.sqrt(shape[-1]))


def rope_tables(seq_len, head_dim, theta):
    inverse = theta ** (-torch.arange(0, head_dim // 2, dtype=torch.float64) * 2 / head_dim)
    angle = torch.arange(seq_len, dtype=torch.float64)[:, None] * inverse[None, :]
    return torch.cos(angle).float(), torch.sin(angle).float()


def rotate(x_BTHK, cos_TJ, sin_TJ):
    a, b = x_BTHK.chunk(2, -1)
    cos, sin = cos_TJ[:, None, :], sin_TJ[:, None, :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(torch.nn.Module):
    def __init__(self, c, seq_len, attention):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = c["num_q_heads"], c["num_kv_heads"], c["head_dim"]
        self.q_dim, self.kv_dim = self.heads * self.head_dim, self.kv_heads * self.head_dim
        self.qkv = matrix(self.q_dim + 2 * self.kv_dim, c["model_dim"])
        self.o = matrix(c["model_dim"], self.q_dim)
        self.fused = attention == "fused"
        self.cap = 0.0 if self.fused else c["attn_logit_softcap"]
        cos, sin = rope_tables(seq_len, self.head_dim, c["rope_theta"])
        # The scores' factor goes into the tables that rotate q.
        factor = c["attn_output_multiplier"] / (self.cap if self.cap > 0 else 1.0)
        for name, table in (("k_cos", cos), ("k_sin", sin), ("q_cos", cos * factor), ("q_sin", sin * factor)):
            self.register_buffer(name, table, persistent=False)
        mask = torch.full((seq_len, seq_len), -math.inf).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = F.linear(x, self.qkv).split([self.q_dim, self.kv_dim, self.kv_dim], -1)
        q = rotate(q.view(b, t, self.heads, self.head_dim), self.q_cos, self.q_sin).transpose(1, 2)
        k = rotate(k.view(b, t, self.kv_heads, self.head_dim), self.k_cos, self.k_sin).transpose(1, 2)
        v = v.view(b, t, self.kv_heads, self.head_dim).transpose(1, 2)
        o = self.fused_attention(q, k, v) if self.fused else self.capped_attention(q, k, v)
        return F.linear(o.transpose(1, 2).reshape(b, t, self.q_dim), self.o)

    def fused_attention(self, q, k, v):
        gqa = {"enable_gqa": True} if self.heads != self.kv_heads else {}
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0, **gqa)

    def capped_attention(self, q, k, v):
        # The query heads of a group lie under one another: k is not repeated.
        b, h, t, d = q.shape
        q = q.reshape(b, self.kv_heads, h // self.kv_heads * t, d)
        s = q @ k.transpose(2, 3)
        s = s.view(b, self.kv_heads, -1, t, t)
        s = torch.add(self.mask, torch.tanh(s), alpha=self.cap) if self.cap > 0 else s + self.mask
        p = s.softmax(-1).view(b, self.kv_heads, -1, t)
        return (p @ v).view(b, h, t, d)


class Dense(torch.nn.Module):
    def __init__(self, dim, ffn_dim):
        super().__init__()
        self.gate_up, self.down = matrix(2 * ffn_dim, dim), matrix(dim, ffn_dim)

    def forward(self, x):
        gate, up = F.linear(x, self.gate_up).chunk(2, -1)
        return F.linear(F.gelu(gate, approximate="tanh") * up, self.down)


class Experts(torch.nn.Module):
    def __init__(self, c, product):
        super().__init__()
        self.c, self.product = c, expert_product(product)
        e, d, f = c["num_experts"], c["model_dim"], c["expert_ffn_dim"]
        self.router, self.gate_up, self.down = matrix(e, d), matrix(e, 2 * f, d), matrix(e, d, f)

    def forward(self, x):
        """Returns the output and both router losses."""
        c, e, s = self.c, self.c["num_experts"], self.c["num_selected_experts"]
        m = x.reshape(-1, x.shape[-1])
        z = F.linear(m, self.router)
        probs = softcap(z, c["router_logit_softcap"]).softmax(-1)
        weight, expert = probs.topk(s, -1)
        if c["renormalize_router"]:
            weight = weight / weight.sum(-1, keepdim=True)
        flat = expert.reshape(-1)
        slot = torch.argsort(flat, stable=True)
        count = F.one_hot(flat, e).sum(0)
        end = count.cumsum(0)
        gate, up = self.product(m.index_select(0, slot // s), self.gate_up, end).chunk(2, -1)
        y = self.product(F.gelu(gate, approximate="tanh") * up, self.down, end)
        y = y.index_select(0, torch.argsort(slot)).view(-1, s, x.shape[-1])
        y = (y * weight.unsqueeze(-1)).sum(1)
        share = count.to(probs.dtype) / flat.numel()
        balance = e * (share * probs.mean(0)).sum()
        z_loss = (torch.logsumexp(z, -1) ** 2).mean()
        return y.view_as(x), balance, z_loss


class Layer(torch.nn.Module):
    def __init__(self, c, seq_len, attention, product):
        super().__init__()
        d, eps = c["model_dim"], c["rms_norm_eps"]
        self.pre_attn_norm, self.post_attn_norm = RMSNorm(d, eps), RMSNorm(d, eps)
        self.pre_moe_norm, self.post_moe_norm = RMSNorm(d, eps), RMSNorm(d, eps)
        self.attention = Attention(c, seq_len, attention)
        self.dense = Dense(d, c["dense_ffn_dim"]) if c["dense_ffn_dim"] else None
        self.experts = Experts(c, product) if c["num_experts"] else None

    def forward(self, x):
        x = x + self.post_attn_norm(self.attention(self.pre_attn_norm(x)))
        m = self.pre_moe_norm(x)
        balance = z_loss = 0.0
        y = self.dense(m) if self.dense is not None else None
        if self.experts is not None:
            mixed, balance, z_loss = self.experts(m)
            y = mixed if y is None else (y + mixed) * (1 / math.sqrt(2))
        return x + self.post_moe_norm(y), balance, z_loss


class Grok(torch.nn.Module):
    """forward(tokens_BT, targets_BT) -> cross-entropy, weighted router losses."""

    def __init__(self, c, seq_len, attention="softcap", product="loop"):
        super().__init__()
        if c.get("long_context_start", 0) and seq_len > c["long_context_start"]:
            raise ValueError("the peer does not scale scores of long contexts")
        self.c = c
        self.embedding = matrix(c["vocab_size"], c["model_dim"])
        self.head = None if c["tie_embeddings"] else matrix(c["vocab_size"], c["model_dim"])
        self.layers = torch.nn.ModuleList(Layer(c, seq_len, attention, product) for _ in range(c["num_layers"]))
        self.norm = RMSNorm(c["model_dim"], c["rms_norm_eps"])

    def forward(self, tokens, targets):
        c = self.c
        x = F.embedding(tokens, self.embedding) * c["embedding_multiplier"]
        balance = z_loss = 0.0
        for layer in self.layers:
            x, b, z = layer(x)
            balance, z_loss = balance + b, z_loss + z
        h = self.norm(x) * c["output_multiplier"]
        logits = F.linear(h, self.embedding if self.head is None else self.head)
        logits = softcap(logits, c["final_logit_softcap"])
        loss = F.cross_entropy(logits.view(-1, c["vocab_size"]), targets.reshape(-1))
        aux = (c["load_balance_loss"] * balance + c["router_z_loss"] * z_loss) / c["num_layers"]
        return loss, aux
