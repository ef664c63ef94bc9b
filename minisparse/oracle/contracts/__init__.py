"""The plain-array contracts: one encoding a file, with the ops that are checked on it."""

from minisparse.core.discover import declared
from minisparse.core.errors import UnsupportedOpError, UsageError
from minisparse.oracle.contracts.contract import Arguments, Contract, Encoding

CONTRACTS: dict[str, Contract] = {
    contract.name: contract for contract in declared(__name__, __path__, Contract).values()
}
"""Every contract by name."""

PLANNED = tuple(
    "spgemm_csr sddmm_csr softmax_csr coo_to_csr csr_to_csc csr_to_coo csr_to_bsr "
    "dense_to_csr".split()
)
"""Contracts whose calls are settled and whose checks are still to be written."""

__all__ = ["CONTRACTS", "PLANNED", "Arguments", "Contract", "Encoding", "find_contract"]


def find_contract(name: str) -> Contract:
    """Return a contract by name.

    Raises
    ------
    UsageError
        If there is none of that name; the message lists those there are.
    UnsupportedOpError
        If it is settled how it is called, but not yet checked.
    """
    known = ", ".join(sorted(CONTRACTS))
    if name in CONTRACTS:
        return CONTRACTS[name]
    if name in PLANNED:
        raise UnsupportedOpError(f"the oracle cannot check '{name}' yet; it checks: {known}")
    raise UsageError(f"there is no op {name!r} to check; known: {known}")
