"""Frames, call lines and memory: what goes to another process comes there as it was."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from minisparse.core.dtypes import Array
from minisparse.oracle.check import problems
from minisparse.oracle.contracts import CONTRACTS, Contract
from minisparse.oracle.foreign.c_abi import DTYPES, HEADER
from minisparse.oracle.foreign.frames import BadFrame, dump_frame, pack, read_frame, unpack
from minisparse.oracle.foreign.memory import block_of as block
from minisparse.oracle.foreign.memory import pack_in_place, pack_result, place, unpack_result
from minisparse.oracle.foreign.signature import due, signature
from minisparse.oracle.narrowed import is_value
from minisparse.oracle.problem import LAYOUTS, Layout, arrange
from minisparse.oracle.profile import DEFAULT
from minisparse.oracle.truth import Truth
from minisparse.oracle.values import DTYPES as VALUE_DTYPES


@pytest.mark.parametrize("dtype", VALUE_DTYPES, ids=str)
def test_arrays_go_through_a_frame(dtype: Any) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)
    entry, raw = pack("x", x.T)
    frame = read_frame(io.BytesIO(dump_frame({"arrays": [entry]}, [raw])))
    assert frame is not None
    again = unpack(frame.header["arrays"][0], frame.raws[0])
    assert again.dtype == x.dtype
    assert again.flags.writeable
    assert np.array_equal(again, x.T)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"hello\n", "'hello' is not a line of JSON"),
        (b"[1]\n", "not a JSON object"),
        (b"\n", "empty line"),
        (b"\xff" * 100 + b"\n", "not a line of JSON"),
        (b'{"arrays": 3}\n', "'arrays' is not a list"),
        (b'{"arrays": [{"nbytes": -1}]}\n', "'nbytes' is -1"),
        (b'{"arrays": [{"nbytes": 1e99}]}\n', "'nbytes' is 1e"),
        (b'{"arrays": [{"nbytes": 9}]}\n1234', "ends after 4 of 9 bytes"),
    ],
)
def test_what_is_not_a_frame_is_said(raw: bytes, message: str) -> None:
    with pytest.raises(BadFrame, match=message):
        read_frame(io.BytesIO(raw))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "float33", "shape": [1]}, "'dtype' is 'float33'"),
        ({"dtype": None, "shape": [1]}, "'dtype' is None"),
        ({"dtype": "int8", "shape": [-4]}, "'shape' is"),
        ({"dtype": "int8", "shape": 4}, "'shape' is 4"),
        ({"dtype": "int16", "shape": [4]}, "takes 8 bytes, but 'nbytes' is 4"),
    ],
)
def test_arrays_that_contradict_themselves(entry: Mapping[str, Any], message: str) -> None:
    with pytest.raises(BadFrame, match=message):
        unpack(entry, b"1234")


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda c: str(c.name))
def test_call_lines_say_what_is_passed_and_due(contract: Contract) -> None:
    names = signature(contract.call)
    arguments = contract.arguments(next(problems(contract, 0)))
    assert tuple(arguments) == names.arguments
    wanted = due(names.returns, arguments)
    truth = contract.expect(arguments, DEFAULT)
    if isinstance(truth, Truth):
        ((_, dtype, shape),) = wanted
        assert (dtype, shape) == (truth.dtype, truth.shape)
    else:
        assert len(wanted) == 3
    assert is_value(contract.values, arguments[contract.values])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(4, 3), (5,), (0, 3), (1, 1)])
def test_arguments_lie_in_the_worker_as_here(layout: Layout, shape: tuple[int, ...]) -> None:
    x = arrange(np.arange(np.prod(shape), dtype="f4").reshape(shape), layout)
    x.flags.writeable = layout != "read-only"
    entry, raw = pack_in_place("x", x, 7)
    there = place(entry, raw, {})
    assert np.array_equal(there, x)
    assert there.flags.writeable == x.flags.writeable
    if x.size:
        assert there.strides == x.strides
    if shape == (4, 3) and layout in ("C", "F", "strided", "backwards"):
        assert (there.base is None) == (layout in ("C", "F"))
    again = place(entry, np.ones_like(x).tobytes(), {7: there})
    assert again is there


@pytest.mark.parametrize("owner", ["argument", "result"])
def test_a_shared_result_is_shared_here_too(owner: str) -> None:
    here, there = np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(3, 4)
    part = there[1:, ::2]
    entry, raw = pack_result(part, {owner: [block(np.ones(3)), block(there)]})
    memory: dict[str, list[Array]] = {owner: [np.ones(3), here]}
    found = unpack_result(entry, raw, memory)
    assert np.array_equal(found, part)
    assert np.shares_memory(found, here)
    fresh, raw = pack_result(part.copy(), {owner: [block(there)]})
    assert not np.shares_memory(unpack_result(fresh, raw, memory), here)


def test_the_header_numbers_the_dtypes_as_we_do() -> None:
    text = HEADER.read_text(encoding="ascii")
    names = [name for name in text.replace("= 0", "").replace(",", " ").split() if "MS_" in name]
    start = names.index("MS_BOOL")
    assert names[start : start + len(DTYPES)] == [f"MS_{name.upper()}" for name in DTYPES]
