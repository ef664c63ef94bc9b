"""The plain-array contracts: one encoding a file, with the ops that are checked on it."""

from minisparse.core.discover import declared
from minisparse.core.errors import UsageError
from minisparse.oracle.contracts.contract import Arguments, Contract, Encoding, Expectation

CONTRACTS: dict[str, Contract] = {
    contract.name: contract for contract in declared(__name__, __path__, Contract).values()
}
"""Every contract by name."""

__all__ = [
    "CONTRACTS",
    "Arguments",
    "Contract",
    "Encoding",
    "Expectation",
    "calls",
    "find_contract",
]


def calls() -> str:
    """Return how an implementation of each op is called and what it returns, a line an op.

    Examples
    --------
    >>> print(calls().splitlines()[-1])
    spmv_csr            (indptr, indices, data, shape, x) -> y
    """
    width = max(map(len, CONTRACTS))
    return "\n".join(f"{name:{width}}  {CONTRACTS[name].call}" for name in sorted(CONTRACTS))


def find_contract(name: str) -> Contract:
    """Return a contract by name.

    Raises
    ------
    UsageError
        If there is none of that name; the message lists those there are.
    """
    known = ", ".join(sorted(CONTRACTS))
    if name in CONTRACTS:
        return CONTRACTS[name]
    raise UsageError(f"there is no op {name!r} to check; known: {known}")
