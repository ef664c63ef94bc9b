"""The example networks in PyTorch: how they are built, trained, and pruned bit by bit.

Only ``train_digits.py`` uses this; it says what is done and after which papers.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Keep = dict[str, Tensor]
"""From a parameter's name to the mask, bool, of the entries that survive pruning."""

Choose = Callable[[nn.Sequential, float], Keep]
"""From a network and the share 0..1 of its final zeros to what survives."""

BATCH = 64
DENSE_EPOCHS = 150
RAMP_EPOCHS = 60
SETTLE_EPOCHS = 90
LEARNING_RATE = 1e-3
SLIMMING = 1e-3
"""Price of batch normalization's scales while channels are dropped: see :func:`scale_sum`."""


@dataclass(frozen=True)
class Images:
    """Pixels ``[count, 64]`` float32 in 0..1, and their digits ``[count]`` int64."""

    pixels: Tensor
    digits: Tensor


def build_mlp() -> nn.Sequential:
    """Return the dense MLP: ``[batch, 64]`` to 10 logits."""
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            layer1=nn.Linear(64, 512),
            relu1=nn.ReLU(),
            layer2=nn.Linear(512, 256),
            relu2=nn.ReLU(),
            layer3=nn.Linear(256, 10),
        )
    )


def build_cnn() -> nn.Sequential:
    """Return the dense CNN: ``[batch, 1, 8, 8]`` to 10 logits.

    The convolutions have no bias: the normalization after each would subtract it again.
    """
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(1, 16, 3, padding=1, bias=False),
            bn1=nn.BatchNorm2d(16),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(16, 32, 3, padding=1, bias=False),
            bn2=nn.BatchNorm2d(32),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear=nn.Linear(128, 10),
        )
    )


def keep_largest(magnitude: Tensor, sparsity: float) -> Tensor:
    """Mark all but the ``round(sparsity * size)`` smallest of ``magnitude``; any shape, bool."""
    dropped = round(sparsity * magnitude.numel())
    keep = torch.ones(magnitude.numel(), dtype=torch.bool)
    keep[magnitude.flatten().argsort(stable=True)[:dropped]] = False
    return keep.reshape(magnitude.shape)


def choose_weights(net: nn.Sequential, share: float) -> Keep:
    """Keep the largest tenth of each matrix, once ``share`` is 1."""
    names = ("layer1.weight", "layer2.weight", "layer3.weight")
    return {name: keep_largest(net.get_parameter(name).abs(), 0.9 * share) for name in names}


def choose_blocks(net: nn.Sequential, share: float) -> Keep:
    """Keep the largest fifth of the 8x8 blocks of the two big matrices, once ``share`` is 1."""
    keep = {}
    for name in ("layer1.weight", "layer2.weight"):
        tiles = net.get_parameter(name).unflatten(0, (-1, 8)).unflatten(2, (-1, 8))
        blocks = keep_largest(tiles.square().sum(dim=(1, 3)), 0.8 * share)
        keep[name] = blocks.repeat_interleave(8, dim=0).repeat_interleave(8, dim=1)
    return keep


def choose_channels(net: nn.Sequential, share: float) -> Keep:
    """Keep half the channels of both convolutions, once ``share`` is 1.

    A dropped channel leaves nothing behind: its filter, its scale and shift, and every weight
    that reads it are zero, so that its activation is exactly 0 and cutting it out changes nothing.
    """
    first = keep_largest(net.get_parameter("bn1.weight").abs(), 0.5 * share)
    second = keep_largest(net.get_parameter("bn2.weight").abs(), 0.5 * share)
    # Flatten lays each of the 32 channels out as 2x2 neighbouring columns.
    columns = second.repeat_interleave(4)
    return {
        "conv1.weight": first[:, None, None, None].expand(16, 1, 3, 3),
        "bn1.weight": first,
        "bn1.bias": first,
        "conv2.weight": (second[:, None] & first[None, :])[:, :, None, None].expand(32, 16, 3, 3),
        "bn2.weight": second,
        "bn2.bias": second,
        "linear.weight": columns[None, :].expand(10, 128),
    }


def shape_input(net: nn.Sequential, pixels: Tensor) -> Tensor:
    """Give a CNN images and an MLP rows."""
    return pixels.reshape(-1, 1, 8, 8) if isinstance(net[0], nn.Conv2d) else pixels


def shift(pixels: Tensor) -> Tensor:
    """Move half of a batch of images by at most one pixel each way; the edge is background."""
    count = len(pixels)
    padded = functional.pad(pixels.reshape(-1, 8, 8), (1, 1, 1, 1)).flatten(1)
    window = torch.arange(8)[:, None] * 10 + torch.arange(8)
    corner = torch.randint(0, 3, (count, 1)) * 10 + torch.randint(0, 3, (count, 1))
    moved = padded.gather(1, window.reshape(1, 64) + corner)
    return torch.where(torch.rand(count, 1) < 0.5, moved, pixels)


def erase(net: nn.Sequential, keep: Keep) -> None:
    """Write zeros over what is not kept. Filling, not multiplying: -1 * 0 would be -0."""
    with torch.no_grad():
        for name, kept in keep.items():
            net.get_parameter(name).masked_fill_(~kept, 0)


def scale_sum(net: nn.Sequential) -> Tensor:
    """Sum the magnitudes of batch normalization's scales; 0 for an MLP.

    Charged for in training, this sum drives the scales of channels that matter little towards 0
    (Liu et al., eq. 1); without it all stay near 1, and their order says little.
    """
    scales = [module.weight.abs().sum() for module in net if isinstance(module, nn.BatchNorm2d)]
    return sum(scales, start=torch.zeros(()))


def train_epoch(
    net: nn.Sequential,
    train: Images,
    optimizer: torch.optim.Adam,
    keep: Keep,
    slimming: float = 0.0,
) -> None:
    """Go once through the shuffled, shifted images, holding pruned weights at zero."""
    net.train()
    for rows in torch.randperm(len(train.digits)).split(BATCH):
        logits = net(shape_input(net, shift(train.pixels[rows])))
        loss = functional.cross_entropy(logits, train.digits[rows]) + slimming * scale_sum(net)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        erase(net, keep)


def train_dense(net: nn.Sequential, train: Images) -> None:
    """Train without zeros, the learning rate falling to nothing along a cosine."""
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, DENSE_EPOCHS)
    for _ in range(DENSE_EPOCHS):
        train_epoch(net, train, optimizer, {})
        schedule.step()


def prune_gradually(net: nn.Sequential, choose: Choose, train: Images) -> None:
    """Raise the share of zeros as ``1 - (1 - t)^3``: fast while much is idle, slow at the end."""
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    settle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, SETTLE_EPOCHS)
    keep: Keep = {}
    for epoch in range(1, RAMP_EPOCHS + SETTLE_EPOCHS + 1):
        if epoch <= RAMP_EPOCHS:
            keep = choose(net, 1 - (1 - epoch / RAMP_EPOCHS) ** 3)
            erase(net, keep)
            train_epoch(net, train, optimizer, keep, SLIMMING)
        else:
            train_epoch(net, train, optimizer, keep)
            settle.step()


def tidy_dead_channels(net: nn.Sequential) -> None:
    """Give channels without a filter the statistics of an untrained one.

    The running mean of a channel that is always 0 shrinks by a tenth a step, into subnormal
    numbers; as its scale is 0, any finite statistics mean the same.
    """
    for module in net:
        if isinstance(module, nn.BatchNorm2d):
            dead = module.weight == 0
            module.get_buffer("running_mean").masked_fill_(dead, 0)
            module.get_buffer("running_var").masked_fill_(dead, 1)


def accuracy(net: nn.Sequential, images: Images) -> float:
    """Return the share of ``images`` that ``net`` names right, 0..1."""
    net.eval()
    with torch.no_grad():
        guesses = net(shape_input(net, images.pixels)).argmax(dim=1)
    return float((guesses == images.digits).double().mean())
