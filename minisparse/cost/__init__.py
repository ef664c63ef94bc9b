"""What a computation will cost: machines as data, and the model that prices every candidate."""

from minisparse.cost.apart import apart
from minisparse.cost.candidate import Candidate, Rejected
from minisparse.cost.candidates import candidates, rejected
from minisparse.cost.choice import rank
from minisparse.cost.machine import Machine, MemoryLevel
from minisparse.cost.machines import MACHINES, find_machine
from minisparse.cost.model import price
from minisparse.cost.price import Price
from minisparse.cost.stored import stored_attrs
from minisparse.cost.target import POLICIES, USUAL_CALLS, USUAL_SIZE, Target

__all__ = [
    "MACHINES",
    "POLICIES",
    "USUAL_CALLS",
    "USUAL_SIZE",
    "Candidate",
    "Machine",
    "MemoryLevel",
    "Price",
    "Rejected",
    "Target",
    "apart",
    "candidates",
    "find_machine",
    "price",
    "rank",
    "rejected",
    "stored_attrs",
]
