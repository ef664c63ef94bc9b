"""Setting weights to zero: by magnitude, in blocks, n:m, by channels and heads; what it cost.

``ms.prune`` works on a graph. What it is made of works on plain arrays, so that a training loop can
call it too: masks (:mod:`~minisparse.pruning.masks`) and schedules.
"""

from minisparse.pruning.layers import Layer, find_layers
from minisparse.pruning.masks import block_mask, magnitude_mask, magnitude_masks, nm_mask, row_mask
from minisparse.pruning.methods import METHODS
from minisparse.pruning.prune import find_masks, prune
from minisparse.pruning.recognition import Structure, WeightStructure, recognize
from minisparse.pruning.report import LayerReport, PruningReport, pruning_report
from minisparse.pruning.schedule import GradualSchedule

__all__ = [
    "METHODS",
    "GradualSchedule",
    "Layer",
    "LayerReport",
    "PruningReport",
    "Structure",
    "WeightStructure",
    "block_mask",
    "find_layers",
    "find_masks",
    "magnitude_mask",
    "magnitude_masks",
    "nm_mask",
    "prune",
    "pruning_report",
    "recognize",
    "row_mask",
]
