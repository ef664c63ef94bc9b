"""What a computation will cost: machines as data, and the model that prices every candidate."""

from minisparse.cost.candidates import Candidate, candidates, stored_attrs
from minisparse.cost.machine import MACHINES, Machine, find_machine
from minisparse.cost.model import price
from minisparse.cost.target import USUAL_SIZE, Target

__all__ = [
    "MACHINES",
    "USUAL_SIZE",
    "Candidate",
    "Machine",
    "Target",
    "candidates",
    "find_machine",
    "price",
    "stored_attrs",
]
