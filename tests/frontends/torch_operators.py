"""What PyTorch code writes, family by family: inputs, and functions of them by name."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')

import torch
from torch.nn import functional as F  # noqa: N812

Functions = dict[str, Callable[..., Any]]


def _randn(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def _ints(*shape: int) -> Any:
    return torch.randint(-5, 6, shape, generator=torch.Generator().manual_seed(1))


X = _randn(3, 4, 6)
IMAGES = _randn(2, 4, 9, 8)
SQUARE = _randn(3, 5, 5)
INTS = _ints(3, 4)
BOOLS = INTS > 0

ACTIVATIONS: Functions = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 0.5),
    "elu": lambda x: F.elu(x, 0.7),
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": F.hardtanh,
    "relu6": lambda x: F.relu6(5 * x),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "softplus": lambda x: F.softplus(20 * x, 2, 5),
    "logsigmoid": F.logsigmoid,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "softshrink": F.softshrink,
    "hardshrink": F.hardshrink,
    "threshold": lambda x: F.threshold(x, 0.1, -2.0),
    "glu": F.glu,
    "prelu": lambda x: F.prelu(x, torch.tensor([0.1, 0.2, 0.3, 0.4])),
    "in_place": lambda x: (1 * x).relu_().add_(1),
}

ELEMENTS: Functions = {
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 1),
    "erf": torch.erf,
    "exp": torch.exp,
    "expm1": lambda x: torch.expm1(torch.cat([x, 1e-5 * x, 30 * x])),
    "log1p": lambda x: torch.log1p(torch.cat([x.abs(), 1e-5 * x, 1e30 * x.abs()])),
    "log2": lambda x: torch.log2(x.abs() + 0.1),
    "log10": lambda x: torch.log10(x.abs() + 0.1),
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "sign": torch.sign,
    "round": torch.round,
    "trunc": torch.trunc,
    "frac": torch.frac,
    "square": torch.square,
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "clamp_min": lambda x: x.clamp_min(0.1),
    "clamp_tensor": lambda x: torch.clamp(x, x.mean(), x.amax()),
    "isfinite": lambda x: torch.isfinite(x / (x > 0)) | torch.isnan(x) | torch.isinf(x),
    "half": lambda x: (x.half() * x.half()).float(),
    "double": lambda x: x.to(torch.float64) + 1,
    "int": lambda x: (3 * x).int(),
}

ARITHMETIC: Functions = {
    "add": lambda x, i: x + 1,
    "add_alpha": lambda x, i: torch.add(x, x, alpha=3),
    "rsub": lambda x, i: 1 - x,
    "div": lambda x, i: x / 3 + 3 / (x + 9),
    "div_ints": lambda x, i: i / 3,
    "real_of_ints": lambda x, i: i + 1.5,
    "ints": lambda x, i: (i + 2) * i - 1,
    "mixed": lambda x, i: x[:, :, :4] * i[:, None],
    "floor": lambda x, i: (i // 2, i // -3, x // 0.7),
    "trunc": lambda x, i: torch.div(i, 2, rounding_mode="trunc"),
    "trunc_real": lambda x, i: torch.div(x, 0.3, rounding_mode="trunc"),
    "remainder": lambda x, i: (i % 3, i % -3, x % 0.7),
    "fmod": lambda x, i: torch.fmod(x, 0.7),
    "pow": lambda x, i: (x**2, x**3, x.abs() ** 0.5, 2.0**x, x.abs() ** x, i**2),
    "max_min": lambda x, i: torch.maximum(x, -x) - torch.minimum(x, x * 2),
    "compare": lambda x, i: (x > 0) & (x <= 1) | (x == 2) ^ (x != 3),
    "compare_ints": lambda x, i: (i >= 1.5, i < 2, (i > 0) < (i > 1)),
    "logic": lambda x, i: torch.logical_xor(i > 0, i) | torch.logical_not(i) & ~(i > 1),
    "where": lambda x, i: torch.where(x > 0, x, 0.0),
    "masked_fill": lambda x, i: x.masked_fill(x > 0, -9.0),
    "type_as": lambda x, i: i.type_as(x),
    "size": lambda x, i: x * x.size(0) + x.shape[0] / 2 + x / x.size(0) ** 0.5,
}

REDUCTIONS: Functions = {
    "sum": lambda x: (x.sum(), x.sum((0, 2), keepdim=True), (x > 0).sum(1)),
    "mean": lambda x: (x.mean(), x.mean(-1)),
    "amax": lambda x: (x.amax((1, 2)), x.amin(0), x.max(), x.min()),
    "max": lambda x: (*x.max(1), *x.min(-1, keepdim=True)),
    "argmax": lambda x: (x.argmax(-1), x.argmin(1, keepdim=True), x.argmax()),
    "any_all": lambda x: ((x > 0).any(1), (x > -9).all(), (x > 0).any(0, keepdim=True)),
    "prod": lambda x: x.prod(-1),
    "var": lambda x: (x.var(-1), x.std((1, 2), unbiased=False), *torch.var_mean(x, -1)),
    "norm": lambda x: (x.norm(dim=-1), torch.linalg.vector_norm(x, 1, -1), x.norm(float("inf"), 1)),
    "normalize": lambda x: F.normalize(x, dim=-1),
    "logsumexp": lambda x: x.logsumexp(-1),
    "cumsum": lambda x: x.cumsum(1),
    "topk": lambda x: x.topk(2, -1),
    "sort": lambda x: (*x.sort(-1, descending=True), x.argsort(1)),
    "softmax": lambda x: (x.softmax(1), F.log_softmax(x, -1), x.softmax(-1, torch.float64)),
    "cosine": lambda x: F.cosine_similarity(x, 2 * x + 1, dim=-1),
}

SHAPES: Functions = {
    "view": lambda x: (x.view(x.size(0), -1), x.view(-1, 6), x.reshape(x.size(0), 2, 2, -1)),
    "flatten": lambda x: (x.flatten(0, 1), x.flatten(1), x.flatten(), x.reshape(-1)),
    "unflatten": lambda x: x.unflatten(-1, (2, 3)),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1).unsqueeze(-1).squeeze(),
    "permute": lambda x: x.permute(2, 0, 1).transpose(0, 1).mT,
    "movedim": lambda x: x.movedim(1, -1),
    "expand": lambda x: (x[:, :, :1].expand(-1, -1, 5), x[:1].expand_as(x) + 0),
    "repeat": lambda x: (x.repeat(2, 1, 1, 2), x.repeat_interleave(2, 1)),
    "slice": lambda x: (x[:, 1:-1, ::2], x[1:], x[:, -1] + x[:, 0]),
    "split": lambda x: (*x.chunk(2, -1), *x.split([1, 3], 1), *torch.split(x, 4, -1), *x.unbind(1)),
    "join": lambda x: (torch.cat([x, x * 2], 1), torch.stack([x, x * 2], 1), torch.cat([x, x])),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=3.0),
    "pad_modes": lambda x: tuple(
        F.pad(x, (1, 2), mode=m) for m in ("reflect", "replicate", "circular")
    ),
    "flip": lambda x: (x.flip(1, 2), x.roll(1, 1)),
    "windows": lambda x: x.unfold(-1, 2, 2),
}

PRODUCTS: Functions = {
    "matmul": lambda x: (x @ x.mT, torch.bmm(x, x.mT), x[0] @ x[0, 0], x @ x[0].T),
    "constants": lambda x: (x @ torch.ones(5, 2), torch.ones(3, 5, 5) @ x, x[0] @ torch.eye(5)),
    "einsum": lambda x: torch.einsum("bij,bkj->bik", x, x),
    "outer": lambda x: torch.outer(x[0, 0], x[0, 1]),
    "baddbmm": lambda x: torch.baddbmm(x, x, x, beta=0.5, alpha=2),
    "addmm": lambda x: torch.addmm(x[0, 0], x[0], x[1], beta=0.5, alpha=2),
    "triangles": lambda x: (x.tril(1), x.triu()),
    "diagonal": lambda x: (x.diagonal(dim1=1, dim2=2), x[0].diagonal(1)),
    "bilinear": lambda x: F.bilinear(x, x, torch.ones(2, 5, 5), torch.ones(2)),
}

INDEXING: Functions = {
    "one": lambda x, i: x[:, torch.tensor([0, 2])],
    "two": lambda x, i: x[torch.arange(3)[:, None], i.abs() % 4],
    "behind": lambda x, i: x[:, torch.tensor([0, 1]), torch.tensor([2, 3])],
    "apart": lambda x, i: x[torch.tensor([0, 1]), :, torch.tensor([2, 3])],
    "select": lambda x, i: x.index_select(1, torch.tensor([2, 0])),
    "gather": lambda x, i: x.gather(1, (i.abs() % 4)[:, :, None]),
    "scatter": lambda x, i: x.scatter(1, (i.abs() % 4)[:, :1, None], 9.0),
    "scatter_add": lambda x, i: x.scatter_add(1, (i.abs() % 4)[:, :, None].expand(-1, -1, 6), x),
    "one_hot": lambda x, i: F.one_hot(i.abs() % 6, 6),
    "embedding": lambda x, i: F.embedding(i.abs(), torch.arange(18.0).view(6, 3)),
    "nonzero": lambda x, i: (i > 0).nonzero(),
    "by_mask": lambda x, i: x[i > 0],
    "write": lambda x, i: _written(x, (slice(None), slice(1, 3)), 0.0),
    "write_row": lambda x, i: _written(x, (slice(None), 1), x[:, 0]),
    "write_mask": lambda x, i: _written(x, (x > 0,), 7.0),
    "write_at": lambda x, i: x.index_put((torch.tensor([0, 1]), torch.tensor([2, 3])), x[0, 0]),
    "arange": lambda x, i: x + torch.arange(x.size(-1)),
    "places": lambda x, i: torch.arange(x.size(0)) * 2,
    "full": lambda x, i: torch.full((x.size(0), 2), 3.0) + x[:, 0, :1],
    "like": lambda x, i: torch.zeros_like(x) + torch.ones(x.shape[0], 1, 1),
}


def _written(x: Any, place: tuple[Any, ...], value: Any) -> Any:
    x = x.clone()
    x[place] = value
    return x


_W = _randn(6, 4, 3, 2)

IMAGE: Functions = {
    "conv": lambda x: F.conv2d(x, _W, torch.ones(6), stride=2, padding=(1, 0)),
    "conv_groups": lambda x: F.conv2d(x, _W[:, :2], groups=2),
    "conv_same": lambda x: (
        F.conv2d(x, _W, padding="same"),
        F.conv2d(x, _W, padding="same", dilation=2),
    ),
    "conv_alone": lambda x: F.conv2d(x[0], _W),
    "conv1d": lambda x: F.conv1d(x[:, :, 0], _W[..., 0], padding=1),
    "conv3d": lambda x: F.conv3d(x[:, :, None], _W[:, :, None]),
    "transposed": lambda x: F.conv_transpose2d(x, _W[:4, :3], None, 2, 1, (1, 0), 1),
    "transposed_1d": lambda x: F.conv_transpose1d(x[:, :, 0], _W[:4, :3, :, 0], stride=2),
    "max_pool": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "max_pool_apart": lambda x: F.max_pool2d(x, 2, 1, dilation=2),
    "max_pool_1d": lambda x: F.max_pool1d(x[:, :, 0], 2),
    "max_pool_places": lambda x: F.max_pool2d(x, 3, 2, return_indices=True),
    "avg_pool": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "avg_pool_ceil": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "avg_pool_ceil_pads": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "avg_pool_by": lambda x: F.avg_pool2d(x, 3, 2, 1, divisor_override=4),
    "adaptive": lambda x: (F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, (3, 4))),
    "adaptive_uneven": lambda x: F.adaptive_avg_pool2d(x, (4, None)),
    "adaptive_max": lambda x: F.adaptive_max_pool2d(x, (3, 4)),
    "batch_norm": lambda x: F.batch_norm(x, torch.ones(4), torch.arange(1.0, 5)),
    "group_norm": lambda x: F.group_norm(x, 2),
    "instance_norm": lambda x: F.instance_norm(x),
    "layer_norm": lambda x: F.layer_norm(x, (9, 8)),
    "rms_norm": lambda x: F.rms_norm(x, (8,)),
    "response_norm": lambda x: F.local_response_norm(x, 3),
    "nearest": lambda x: (F.interpolate(x, scale_factor=2), F.interpolate(x, size=(7, 7))),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "corners": lambda x: F.interpolate(x, size=(12, 5), mode="bilinear", align_corners=True),
    "bicubic": lambda x: F.interpolate(x, scale_factor=1.5, mode="bicubic"),
    "shuffle": lambda x: (F.pixel_shuffle(x, 2), F.pixel_unshuffle(x[:, :, :8], 2)),
    "unfold": lambda x: F.unfold(x, 2),
}


def _seen(x: Any) -> Any:
    return x[:, :, :4] > 0.3  # some rows see nothing


ATTENTION: Functions = {
    "plain": lambda x: F.scaled_dot_product_attention(x, x, x),
    "causal": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "scaled": lambda x: F.scaled_dot_product_attention(x, x, x, scale=0.3),
    "masked": lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=_seen(x)),
    "biased": lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=x[:, :, :4]),
    "blind": lambda x: F.scaled_dot_product_attention(
        x, x, x, attn_mask=torch.where(_seen(x), x[:, :, :4], -float("inf"))
    ),
    "constant": lambda x: F.scaled_dot_product_attention(
        x, x, x, attn_mask=torch.ones(4, 4, dtype=torch.bool).tril(-1)
    ),
    "shared": lambda x: F.scaled_dot_product_attention(
        x[:, None].expand(-1, 4, -1, -1), x[:, None], x[:, None], enable_gqa=True
    ),
}

FAMILIES: dict[str, tuple[tuple[Any, ...], Functions]] = {
    "activations": ((X,), ACTIVATIONS),
    "elements": ((X,), ELEMENTS),
    "arithmetic": ((X, INTS), ARITHMETIC),
    "reductions": ((X,), REDUCTIONS),
    "shapes": ((X,), SHAPES),
    "products": ((SQUARE,), PRODUCTS),
    "indexing": ((X, INTS), INDEXING),
    "images": ((IMAGES,), IMAGE),
    "attention": ((X,), ATTENTION),
}
