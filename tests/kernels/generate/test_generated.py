"""What surrounds generated source: names, tracebacks, pdb, counts, errors, the kernel itself."""

import html
import inspect
import io
import pdb
import pickle
import traceback
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minisparse import oracle
from minisparse.core.errors import ShapeError, UnsupportedOpError, UsageError
from minisparse.core.tensor_type import Layout, TensorType
from minisparse.debugger.into import KernelSession
from minisparse.formats import CSR, Matrix, find_pattern, from_dense
from minisparse.kernels import KERNELS, kernels_for, level_of, pack
from minisparse.kernels.generate import (
    EXPRESSIONS,
    STORAGE,
    generate,
    generated_kernels,
    parse,
    source_of,
)
from minisparse.kernels.generate.nest import LONGEST_NAME, identifier
from minisparse.kernels.recording import record_run
from minisparse.ops import OPS, Sample
from minisparse.oracle import exact, judge
from tests.kernels import test_every_kernel as table
from tests.kernels import test_random_operands as drawn

RNG = np.random.default_rng(1)
X = np.where(RNG.random((13, 10)) < 0.4, RNG.standard_normal((13, 10)), 0).astype("float32")
A = from_dense(X, "csr")
B = RNG.standard_normal((10, 4)).astype("float32")
HOSTILE = [
    'layer"""; import os; os.abort(); """',
    "a\n    raise SystemExit",
    "__import__('os').abort()",
    "class",
    "match",
    "np",
    "expect",
    "",
    "1st",
    "ünïcödé\u202e",
    "x" * 5000,
    "a; b # c",
    "\\",
    "{nest}",
    "__builtins__",
]
KINDS = [(op, format) for op in EXPRESSIONS for format in STORAGE]
every_kind = pytest.mark.parametrize(("op", "format"), KINDS, ids=map("-".join, KINDS))


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_not_reach_the_source(name: str) -> None:
    for level in ("loops", "vectorized", "gpu"):
        made = generate("spmm", A, name=name, level=level, columns=4)
        word = made.nest.name
        assert word.isidentifier()
        assert word.isascii()
        assert len(word) <= LONGEST_NAME + 2
        usual = generate("spmm", A, name="usual_name", level=level, columns=4).source
        assert made.source.replace(word, "usual_name", 1) == usual
        if level != "gpu":
            np.testing.assert_allclose(made.run(A, B), X @ B, 1e-5, 1e-5)


def test_named_dimensions_do_not_reach_the_source() -> None:
    type = TensorType(('m"""\nimport os', 10), np.dtype("float32"), "csr", 5, np.dtype("int32"))
    source = generate("spmm", type).source
    assert "import" not in source
    assert "Open: M, N" in source


def test_a_name_never_shadows_what_source_uses() -> None:
    for name in ("np", "math", "range", "jit", "a", "b"):
        assert identifier(name) != name


def test_names_on_a_card_are_text() -> None:
    made = generate("spmm", A, name="<script>")
    assert "<script>" not in made._repr_html_()
    assert html.escape(made.source) in made._repr_html_()


# -- source that is found --------------------------------------------------------------------------


def test_tracebacks_show_the_line() -> None:
    made = generate("spmm", A, columns=4)
    broken = SimpleNamespace(**A.arrays, format="csr", shape=A.shape, dtype=A.dtype)
    broken.data = None
    with pytest.raises(TypeError) as caught:
        made.kernel.levels["loops"].run(broken, B)
    shown = "".join(traceback.format_exception(caught.value))
    assert "c[m, n] += a.data[p] * b[k, n]" in shown
    assert f"in {made.nest.name}" in shown


def test_source_is_found_and_is_what_runs() -> None:
    made = generate("spmm", A)
    function = made.kernel.levels["loops"].run
    assert inspect.getsource(function) == made.source == source_of(function)
    assert source_of(made.kernel.levels["vectorized"]) == made.source_at("vectorized")
    assert source_of(KERNELS["spmm_csr"].levels["loops"]) is None
    packed = pack(generated_kernels("spmm", "csr").levels["vectorized"], A)
    assert "a.runs" in str(source_of(packed))


def test_pdb_stops_in_it() -> None:
    made = generate("spmm", A, columns=4)
    function = made.kernel.levels["loops"].run
    number = 1 + next(i for i, x in enumerate(made.source.splitlines()) if "k = a.indices" in x)
    commands = io.StringIO(f"tbreak {number}\nlist\ncontinue\np (m, p)\ncontinue\n")
    shown = io.StringIO()
    debugger = pdb.Pdb(stdin=commands, stdout=shown, nosigint=True, readrc=False)
    debugger.use_rawinput = False
    result = np.asarray(debugger.runcall(function, A, B))
    np.testing.assert_allclose(result, X @ B, 1e-5, 1e-5)
    assert "for p in range(a.indptr[m], a.indptr[m + 1])" in shown.getvalue()
    assert "(0, " in shown.getvalue()


def test_our_debugger_steps_through_it() -> None:
    loops = generate("spmm", A, columns=4).kernel.levels["loops"].run
    session = KernelSession("layer1", loops, (A, B))
    moment = session.until(m=3, n=2)
    assert moment.label == "column"
    product = session.step()
    assert product is not None
    assert "a.data" in str(product.meaning)
    np.testing.assert_allclose(session.finish(), X @ B, 1e-5, 1e-5)


def test_equal_descriptions_share_one_function() -> None:
    first, second = (generate("spmm", A, columns=4) for _ in range(2))
    assert first.nest == second.nest
    assert hash(first.nest) == hash(second.nest)
    assert first.kernel.levels["loops"].run is second.kernel.levels["loops"].run


# -- it is a kernel --------------------------------------------------------------------------------


@every_kind
def test_kernels_that_write_themselves_pass_the_table(op: str, format: str) -> None:
    kernel = generated_kernels(op, format)
    table.test_results_are_right(kernel, "vectorized")
    if format in ("csr", "dense"):
        table.test_operands_are_never_written_to(kernel, "vectorized")
    if op in ("spmm", "sddmm") and format in ("csr", "bsr"):
        table.test_results_are_fresh_and_the_same_again(kernel, "vectorized")
        table.test_results_go_where_they_are_told(kernel, "vectorized")


@settings(max_examples=max(4, settings().max_examples // 12))
@pytest.mark.parametrize("name", EXPRESSIONS)
@given(data=st.data())
def test_random_operands(name: str, data: st.DataObject) -> None:
    op = OPS[name]
    operands, attrs = drawn.OPERANDS[name](data.draw)
    assume(drawn.takes(op, operands, attrs))
    sample = Sample("random", operands, attrs)
    for format in STORAGE:
        kernel = generated_kernels(name, format)
        held = table.held(kernel, sample)
        assert held is not None
        with np.errstate(all="ignore"):
            truth = exact(op, held, attrs)
        found = judge(table.dense(table.run(kernel, "vectorized", held, sample)), truth)
        assert found.passed, f"{format}: {found.message}"
        types = [t for i, t in enumerate(table.types_of(held)) if i != op.weight]
        dtype = types[0].dtype
        if all(t.dtype == dtype for t in types):
            found = judge(
                table.dense(generate(name, held[op.weight or 0], dtype=dtype).run(*held)), truth
            )
            assert found.passed, f"{format} loops: {found.message}"


@every_kind
def test_loops_do_what_is_stated(op: str, format: str) -> None:
    by_hand = KERNELS[f"{op}_{format}"]
    for sample, operands in table.samples(by_hand):
        if by_hand.op.flops(table.types_of(operands), {}) > 150:
            continue
        types = table.types_of(operands)
        others = [t for i, t in enumerate(types) if i != by_hand.op.weight]
        if len({t.dtype for t in others}) > 1:
            continue
        made = generate(op, operands[by_hand.op.weight or 0], dtype=others[0].dtype)
        assert made.kernel.counts is not None
        recorded = record_run(made.kernel, operands)
        assert made.kernel.counts(*operands) == recorded.counts, sample.label


def test_prepare_and_threads_of_calls() -> None:
    made = generate("spmm", A, epilogue=["bias", "relu"], level="vectorized")
    prepared, bias = made.prepare(), np.ones(13, "float32")
    wanted = np.maximum(X @ B + 1, 0)
    np.testing.assert_allclose(prepared(B, bias), wanted, 1e-5, 1e-5)
    out = np.empty_like(wanted)
    assert prepared(B, bias, out=out) is out
    np.testing.assert_allclose(out, wanted, 1e-5, 1e-5)
    with pytest.raises(UsageError, match="generated from a type"):
        generate("spmm", A.type, level="vectorized").prepare()


@pytest.mark.parametrize(
    ("op", "contract"), [("spmm", "spmm_csr"), ("spmv", "spmv_csr"), ("sddmm", "sddmm_csr")]
)
def test_the_oracle_finds_nothing(op: str, contract: str) -> None:
    kernel = generated_kernels(op, "csr")
    level = level_of(kernel, "vectorized")

    def implementation(
        indptr: Any, indices: Any, data: Any, shape: tuple[int, int], *dense: Any
    ) -> Any:
        found = level.run(pack(level, CSR(data, indices, indptr, shape)), *dense)
        return found.data if op == "sddmm" else found

    report = oracle.check(implementation, contract, examples=60, seed=3)
    assert report.passed, report


@every_kind
def test_work_is_told_before_anything_is_written(op: str, format: str) -> None:
    kernel = generated_kernels(op, format)
    level = kernel.levels["vectorized"]
    assert level.work is not None
    for sample, operands in table.samples(kernel)[:8]:
        at = kernel.op.weight or 0
        dense = table.dense(operands[at])
        types = tuple(table.types_of(operands))
        found = level.work(find_pattern(dense), types)
        assert min(found.flops, found.bytes, found.gathered) >= 0, sample.label
        assert found.calls >= 1, sample.label


# -- what is refused -------------------------------------------------------------------------------


def test_other_operands_are_refused() -> None:
    other = from_dense(np.eye(10, dtype="float32"), "csr")
    for level in ("loops", "vectorized"):
        made = generate("spmm", A, columns=4, level=level)
        for operands in (
            (other, B),
            (A, B[:, :2]),
            (A, B.astype("float64")),
            (A.to("csc"), B),
            (X, B),
            (from_dense(X[::-1].copy(), "csr").canonical(), B[:9]),
        ):
            with pytest.raises(UsageError, match="generated for"):
                made.run(*operands)
        with pytest.raises(UsageError, match="it takes a, b"):
            made.run(A)


def test_another_pattern_is_refused_where_it_is_baked_in() -> None:
    made = generate("spmm", from_dense(np.eye(6, dtype="float32"), "csr"), level="vectorized")
    assert "a.diagonals[0]" in made.source
    with pytest.raises(UsageError, match="another pattern"):
        made.run(from_dense(np.tri(6, dtype="float32"), "csr"), np.ones((6, 1), "float32"))
    made = generate("spmm", A, level="vectorized")
    assert "a.runs[0]" in made.source
    with pytest.raises(UsageError, match="another pattern"):
        made.run(from_dense(np.where(np.arange(13)[:, None], X, 1), "csr"), B)


def test_arguments_of_no_use_are_refused() -> None:
    pattern = find_pattern(X)
    for mistake, message in (
        (lambda: generate("spmm", A, level="fast"), "no level"),
        (lambda: generate("spmm", A, columns=-1), "columns"),
        (lambda: generate("spmm", A, columns=2.5), "columns"),  # type: ignore[arg-type]
        (lambda: generate("spmm", "A"), "give a Matrix"),  # type: ignore[arg-type]
        (lambda: generate("spmm", A, layout="csr"), "layout goes with"),
        (lambda: generate("spmm", pattern), "give a layout"),
        (lambda: generate("spmm", pattern, layout="bsr"), "needs a block"),
        (lambda: parse("c[m] = a[m]"), "no index expression"),
        (lambda: generate("softmax", A), "no index expression"),
        (lambda: generate("nonsense", A), "no op"),
        (lambda: generated_kernels("spmm", "ell"), "formats"),
    ):
        with pytest.raises((UsageError, UnsupportedOpError), match=message):
            mistake()


def test_a_pattern_tells_as_much_as_a_matrix() -> None:
    made = generate("spmm", find_pattern(X), layout="csr", level="vectorized", columns=4)
    assert made.source == generate("spmm", A, level="vectorized", columns=4).source
    blocks = generate("spmm", find_pattern(X), layout=Layout("bsr", (2, 2)), level="vectorized")
    assert "for rows, columns, values in a.runs" in blocks.source


def test_generating_adds_nothing_to_the_list_of_kernels() -> None:
    assert not [name for name in KERNELS if "generated" in name]
    assert all("generated" not in k.name for k in kernels_for(OPS["spmm"]))


def test_what_is_prepared_cannot_be_pickled_and_says_so() -> None:
    with pytest.raises(UnsupportedOpError, match="generate the kernel anew"):
        pickle.dumps(generate("spmm", A, level="vectorized").prepare())


@pytest.mark.gpu
@every_kind
def test_on_a_gpu(op: str, format: str) -> None:
    by_hand = KERNELS[f"{op}_{format}"]
    sample, operands = table.samples(by_hand)[0]
    made = generate(op, operands[by_hand.op.weight or 0], level="gpu")
    cupy = pytest.importorskip("cupy")
    there = [x.to_device("gpu") if isinstance(x, Matrix) else cupy.asarray(x) for x in operands]
    result = made.run(*there)
    here = result.to_device("cpu") if isinstance(result, Matrix) else result.get()
    found = judge(table.dense(here), exact(by_hand.op, operands, sample.attrs))
    assert found.passed, found.message


def test_threads_on_a_cpu() -> None:
    made = generate("spmm", A, epilogue=["bias", "gelu"], level="gpu", columns=4)
    bias = np.linspace(-1, 1, 13).astype("float32")
    truth = exact(made.op, (A, B, bias), made.attrs)
    assert judge(made.run(A, B, bias), truth).passed
    sampled = generate("sddmm", A, level="gpu", columns=4)
    x = RNG.standard_normal((13, 4)).astype("float32")
    y = RNG.standard_normal((4, 10)).astype("float32")
    assert judge(sampled.run(A, x, y).to_dense(), exact(OPS["sddmm"], (A, x, y))).passed
    with pytest.raises(UsageError, match="generated for"):
        made.run(A, B[:, :2].copy(), bias)


@pytest.mark.parametrize("level", ["loops", "vectorized"])
def test_an_open_size_is_the_same_everywhere(level: str) -> None:
    made = generate("spmm", A, epilogue=["add"], level=level)
    with pytest.raises(ShapeError, match="spmm_add"):
        made.run(A, B, np.zeros((len(X), B.shape[1] + 1), B.dtype))
    turned = generate("dsmm", A, epilogue=["bias"], level=level)
    left = np.ones((3, len(X)), B.dtype)
    with pytest.raises(ShapeError, match="dsmm_bias"):
        turned.run(left, A, np.zeros(5, B.dtype))
    with pytest.raises(UsageError, match="a 2-D array"):
        generate("spmm", np.zeros((2, 2, 2), "float32"))
