"""Products of a sparse and a dense operand, and what is fused to them: ``fn(…) -> array``."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.ops import Op
from minisparse.oracle.contracts.contract import (
    Arguments,
    Contract,
    Encoding,
    Operands,
    placed,
)
from minisparse.oracle.exact import exact
from minisparse.oracle.problem import Problem
from minisparse.oracle.profile import Profile
from minisparse.oracle.truth import Truth


def product(name: str, op: Op, encoding: Encoding, call: str) -> Contract:
    """Return the contract of an op whose first operand is sparse, in some encoding."""
    names = op.operands[1:]

    def arguments(problem: Problem) -> Arguments:
        found = encoding.encode(problem)
        rows, columns = found["shape"]
        b = _resized(problem.b, columns)
        dense = {"b": b, "x": b[:, :1].reshape(-1), "bias": _resized(problem.bias, rows)}
        found |= {name: dense[name] for name in names}
        return placed(found, problem, frozenset(names))

    def operands(arguments: Mapping[str, Any]) -> Operands:
        return encoding.decode(arguments), *(arguments[name] for name in names)

    def expect(arguments: Mapping[str, Any], profile: Profile) -> Truth:
        return exact(op, operands(arguments), profile=profile)

    def accepts(problem: Problem) -> bool:
        if "x" in names and problem.b.shape[1] == 0:
            return False
        a, b, bias = problem.a, dense_type(problem.b), dense_type(problem.bias)
        by_name = {"b": b, "x": TensorType(b.shape[:1], b.dtype), "bias": bias}
        types = [TensorType(a.shape, a.data.dtype), *(by_name[name] for name in names)]
        return all(constraint.holds(types, {}) for constraint in op.constraints)

    return Contract(name, call, arguments, operands, expect, accepts, encoding.values)


def _resized(x: Array, length: int) -> Array:
    """Return ``x`` with rows of ones appended where a format rounds a dimension up."""
    if len(x) == length:
        return x
    return np.concatenate([x, np.ones((length - len(x), *x.shape[1:]), x.dtype)])
