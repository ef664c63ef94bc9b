"""How good, how fast and how large: a plan on given inputs, and what each pass did for it."""

from minisparse.evaluation.evaluation import Evaluation, check_labels, evaluate, labels_of
from minisparse.evaluation.waterfall import Stage, Waterfall, waterfall

__all__ = [
    "Evaluation",
    "Stage",
    "Waterfall",
    "check_labels",
    "evaluate",
    "labels_of",
    "waterfall",
]
