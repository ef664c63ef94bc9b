"""MatMul and Gemm; a weight that the model stores sparse stays so."""

from minisparse.formats import Matrix
from minisparse.frontends.onnx.rule import Call, Rules, same


def _matrix(call: Call, i: int) -> Matrix | None:
    """Return operand i where it is a sparse matrix, and was one in the model too."""
    found = call.draft.constants.get(call.inputs[i])
    if not isinstance(found, Matrix) or len(call.draft.dims[call.inputs[i]]) != 2:
        return None
    return found


def _matmul(call: Call) -> str:
    """Multiply with a sparse matrix by ``spmm`` or ``dsmm``, else by ``matmul``."""
    a, b = call.inputs
    weight = _matrix(call, 1)
    if weight is not None and call.type(0).ndim == 2:
        return _times(call, a, weight.T)
    if weight is not None and call.type(0).ndim > 2:
        return _rows_times(call, a, b)
    if _matrix(call, 0) is not None and call.type(1).ndim in (1, 2):
        return call.op("spmm" if call.type(1).ndim == 2 else "spmv", a, b)
    return call.op("matmul", a, b)


def _times(call: Call, x: str, turned: Matrix, bias: str = "") -> str:
    """Return ``x @ turned.T + bias``, x a matrix, with the weight on the left as in lower_gemm."""
    w = call.draft.constant(call.inputs[1], turned)
    product = call.op("spmm", w, call.op("transpose", x, perm=(1, 0)))
    if bias:
        product = call.op("add_bias", product, bias)
    return call.op("transpose", product, perm=(1, 0))


def _rows_times(call: Call, x: str, w: str) -> str:
    """Return ``x @ w``; x has several dimensions before its last, as in lower_matmul."""
    product = call.op("dsmm", call.op("flatten", x, axis=call.type_of(x).ndim - 1), w)
    before = call.op("shape", x, end=-1)
    shape = call.op("concat", before, call.ints(call.type_of(w).dims[1:], "columns"), axis=0)
    return call.op("reshape", product, shape)


def _gemm(call: Call) -> str:
    """Multiply with a sparse matrix and add C, else ``gemm``."""
    scaled = (call.attr("alpha", 1.0), call.attr("beta", 1.0)) != (1, 1)
    weight = _matrix(call, 1)
    if weight is None or scaled:
        return call.apply("gemm", call.operands(), call.own_attrs("gemm"))[0]
    x = call.inputs[0]
    if call.attr("transA", 0):
        x = call.op("transpose", x, perm=(1, 0))
    turned = weight if call.attr("transB", 0) else weight.T
    is_bias = call.has(2) and call.type(2).shape == turned.shape[:1]
    result = _times(call, x, turned, call.inputs[2] if is_bias else "")
    return call.op("add", result, call.inputs[2]) if call.has(2) and not is_bias else result


PRODUCTS = Rules({"MatMul": _matmul, "Gemm": _gemm, "Einsum": same("einsum")})
