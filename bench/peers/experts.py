"""The experts' products: rows sorted by expert, [R, I] times [E, O, I] -> [R, O];
`end` [E] is where each expert's rows end. Two forms:

loop     one product an expert, forward and backward, each written in place. On
         PyTorch 2.x an operator of its own, so that torch.compile sees no break.
grouped  PyTorch's own grouped product, where it has one.
"""
import torch
import torch.nn.functional as F


def segments(end):
    begin = 0
    for expert, stop in enumerate(end.tolist()):
        if stop > begin:
            yield expert, begin, stop
        begin = stop


def products(x, w, end):
    y = x.new_empty(x.shape[0], w.shape[1])
    for e, begin, stop in segments(end):
        torch.mm(x[begin:stop], w[e].t(), out=y[begin:stop])
    return y


def products_backward(dy, x, w, end):
    dx, dw = torch.empty_like(x), torch.zeros_like(w)
    for e, begin, stop in segments(end):
        torch.mm(dy[begin:stop], w[e], out=dx[begin:stop])
        torch.mm(dy[begin:stop].t(), x[begin:stop], out=dw[e])
    return dx, dw


class LoopProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, end):
        ctx.save_for_backward(x, w, end)
        return products(x, w, end)

    @staticmethod
    def backward(ctx, dy):
        x, w, end = ctx.saved_tensors
        return (*products_backward(dy.contiguous(), x, w, end), None)


def make_operator():
    """The loop as a registered operator with its gradient (PyTorch 2.4 on)."""
    library = torch.library

    @library.custom_op("colossus_bench::expert_product", mutates_args=())
    def forward(x: torch.Tensor, w: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        return products(x, w, end)

    @library.custom_op("colossus_bench::expert_product_backward", mutates_args=())
    def backward(
        dy: torch.Tensor, x: torch.Tensor, w: torch.Tensor, end: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return products_backward(dy, x, w, end)

    forward.register_fake(lambda x, w, end: x.new_empty(x.shape[0], w.shape[1]))
    backward.register_fake(lambda dy, x, w, end: (torch.empty_like(x), torch.empty_like(w)))
    forward.register_autograd(
        lambda ctx, dy: (*backward(dy.contiguous(), *ctx.saved_tensors), None),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )
    return forward


def grouped_product(x, w, end):
    return F.grouped_mm(x, w.transpose(1, 2), offs=end.to(torch.int32))


operator = make_operator() if hasattr(torch.library, "custom_op") else None


def expert_product(name):
    if name == "grouped":
        return grouped_product
    return operator or LoopProduct.apply
