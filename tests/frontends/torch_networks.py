"""Networks in plain PyTorch: the usual kinds, small enough for a test, with random weights."""

from typing import Any

import pytest

pytest.importorskip("torch", reason='needs pip install "minisparse[torch]"')

import torch
from torch import nn


class Residual(nn.Module):  # type: ignore[misc, unused-ignore]
    """The basic block of ResNet (He et al., CVPR 2016)."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: Any = None
        if stride != 1 or channels != out:
            conv = nn.Conv2d(channels, out, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(out))

    def forward(self, x: Any) -> Any:
        kept = x if self.downsample is None else self.downsample(x)
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += kept
        return self.relu(y)


class ResNet18(nn.Module):  # type: ignore[misc, unused-ignore]
    """ResNet-18 as torchvision has it, of any width."""

    def __init__(self, width: int = 8, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = width
        for i, out in enumerate((width, 2 * width, 4 * width, 8 * width), start=1):
            first = Residual(channels, out, 1 if i == 1 else 2)
            setattr(self, f"layer{i}", nn.Sequential(first, Residual(out, out, 1)))
            channels = out
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Any) -> Any:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for i in (1, 2, 3, 4):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _conv_bn(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> Any:
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6())


class Inverted(nn.Module):  # type: ignore[misc, unused-ignore]
    """The inverted residual of MobileNetV2 (Sandler et al., CVPR 2018)."""

    def __init__(self, channels: int, out: int, stride: int, wider: int) -> None:
        super().__init__()
        hidden = channels * wider
        self.adds = stride == 1 and channels == out
        self.conv = nn.Sequential(
            _conv_bn(channels, hidden, 1),
            _conv_bn(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Any) -> Any:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):  # type: ignore[misc, unused-ignore]
    """MobileNetV2 with fewer blocks."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        blocks = [(8, 8, 1, 1), (8, 12, 2, 4), (12, 12, 1, 4), (12, 16, 2, 4), (16, 16, 1, 4)]
        inner = [Inverted(*sizes) for sizes in blocks]
        self.features = nn.Sequential(_conv_bn(3, 8, 3, 2), *inner, _conv_bn(16, 32, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(32, classes))

    def forward(self, x: Any) -> Any:
        return self.classifier(self.features(x).mean((2, 3)))


class Attention(nn.Module):  # type: ignore[misc, unused-ignore]
    """Multi-head attention, written out or by torch's own function."""

    def __init__(self, hidden: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.dense = nn.Linear(hidden, hidden)

    def apart(self, x: Any) -> Any:
        return x.view(x.size(0), x.size(1), self.heads, -1).transpose(1, 2)

    def forward(self, x: Any, mask: Any = None) -> Any:
        q, k, v = (self.apart(layer(x)) for layer in (self.query, self.key, self.value))
        if self.causal:
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = q @ k.transpose(-1, -2) / q.size(-1) ** 0.5
            if mask is not None:
                scores = scores + (1.0 - mask[:, None, None, :].to(scores.dtype)) * -10000.0
            y = nn.functional.softmax(scores, dim=-1) @ v
        return self.dense(y.transpose(1, 2).contiguous().flatten(2))


class Encoder(nn.Module):  # type: ignore[misc, unused-ignore]
    """A layer of BERT (Devlin et al., NAACL 2019): normalized after each sum."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(hidden, heads)
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.intermediate = nn.Linear(hidden, 4 * hidden)
        self.output = nn.Linear(4 * hidden, hidden)

    def forward(self, x: Any, mask: Any) -> Any:
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.output(nn.functional.gelu(self.intermediate(x))))


class Bert(nn.Module):  # type: ignore[misc, unused-ignore]
    """An encoder of token numbers with a mask, and a pooled first token."""

    def __init__(self, words: int = 50, hidden: int = 32, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(words, hidden)
        self.places = nn.Embedding(64, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.layer = nn.ModuleList([Encoder(hidden, heads) for _ in range(layers)])
        self.pooler = nn.Linear(hidden, hidden)

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
        places = torch.arange(input_ids.size(1), device=input_ids.device)
        x = self.norm(self.words(input_ids) + self.places(places))
        for layer in self.layer:
            x = layer(x, attention_mask)
        return {"last_hidden_state": x, "pooled": torch.tanh(self.pooler(x[:, 0]))}


class Decoder(nn.Module):  # type: ignore[misc, unused-ignore]
    """A layer of GPT-2: normalized before each part, causal."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.attn = Attention(hidden, heads, causal=True)
        gelu = nn.GELU(approximate="tanh")
        self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), gelu, nn.Linear(4 * hidden, hidden))

    def forward(self, x: Any) -> Any:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):  # type: ignore[misc, unused-ignore]
    """A decoder of token numbers whose last layer shares the weights of its first."""

    def __init__(self, words: int = 50, hidden: int = 32, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.wte = nn.Embedding(words, hidden)
        self.wpe = nn.Embedding(64, hidden)
        self.h = nn.Sequential(*[Decoder(hidden, heads) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(hidden)
        self.lm_head = nn.Linear(hidden, words, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids: Any) -> Any:
        places = torch.arange(ids.size(1), device=ids.device)
        return self.lm_head(self.ln_f(self.h(self.wte(ids) + self.wpe(places))))


def settled(module: Any, seed: int = 0) -> Any:
    """Return a module in eval mode whose statistics and norms are not those it was born with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            fresh = torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
            if tensor.ndim > 1:
                tensor.copy_(fresh / tensor[0].numel() ** 0.5)
            else:
                small = name.endswith(("bias", "mean"))
                tensor.copy_(0.1 * fresh if small else 1 + 0.1 * fresh.abs())
    return module.eval()
