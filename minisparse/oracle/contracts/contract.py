"""What a contract is: which plain arrays an implementation gets, and what they mean together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisparse.core.dtypes import Array
from minisparse.core.tensor_type import TensorType, dense_type
from minisparse.core.triplets import Triplets
from minisparse.ops import Op
from minisparse.oracle.problem import Problem, arrange

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Encoding:
    """How a sparse matrix is written down in plain arrays.

    Attributes
    ----------
    encode : callable
        From a problem to the matrix's arrays and its ``shape``, in the order of the arguments.
    decode : callable
        From these to the stored entries, padding included: what the arrays mean.
    values : str
        Which of the arrays holds the values.
    """

    encode: Callable[[Problem], Arguments]
    decode: Callable[[Mapping[str, Any]], Triplets]
    values: str = "data"


@dataclass(frozen=True)
class Contract:
    """One line of the table of plain-array calls: an op on one encoding of its sparse operand.

    Attributes
    ----------
    name : str
        How the contract is asked for: ``"spmm_csr"``.
    op : Op
        What is computed.
    encoding : Encoding
        How the sparse operand arrives.
    """

    name: str
    op: Op
    encoding: Encoding

    def arguments(self, problem: Problem) -> Arguments:
        """Return the arguments of a call, by name and in order; all arrays are fresh."""
        found = self.encoding.encode(problem)
        rows, columns = found["shape"]
        b = _resized(problem.b, columns)
        dense = {"b": b, "x": b[:, :1].reshape(-1), "bias": _resized(problem.bias, rows)}
        for name in self.op.operands[1:]:
            found[name] = arrange(dense[name], problem.layout)
        return {name: _placed(value, problem, name) for name, value in found.items()}

    def operands(self, arguments: Mapping[str, Any]) -> tuple[Array | Triplets, ...]:
        """Return what the arguments mean, as operands of the op."""
        dense = (arguments[name] for name in self.op.operands[1:])
        return self.encoding.decode(arguments), *dense

    def accepts(self, problem: Problem) -> bool:
        """Tell whether the op has a meaning for this problem: there is no relu of complex."""
        if "x" in self.op.operands and problem.b.shape[1] == 0:
            return False
        a = problem.a
        b, bias = dense_type(problem.b), dense_type(problem.bias)
        by_name = {"b": b, "x": TensorType(b.shape[:1], b.dtype), "bias": bias}
        types = [TensorType(a.shape, a.data.dtype), *(by_name[n] for n in self.op.operands[1:])]
        return all(constraint.holds(types, {}) for constraint in self.op.constraints)


def _resized(x: Array, length: int) -> Array:
    """Return ``x`` with rows of ones appended where a format rounds a dimension up."""
    if len(x) == length:
        return x
    return np.concatenate([x, np.ones((length - len(x), *x.shape[1:]), x.dtype)])


def _placed(value: Any, problem: Problem, name: str) -> Any:
    """Return an array of the matrix strided, and any array read-only, where that is asked for."""
    if not isinstance(value, np.ndarray):
        return value
    if problem.layout == "A strided" and name not in ("b", "x", "bias"):
        value = arrange(value, "strided")
    if problem.layout == "read-only":
        value.flags.writeable = False
    return value
