"""spmm_csr as a program on frames, which knows nothing of minisparse: ``program.py [HOW]``.

``once``: ends after every answer. ``assigns``: is wrong. ``stops``: ends after ten answers.
``chats``: writes what is no frame.
"""

import json
import sys
from typing import Any

import numpy as np


def main(how: str) -> None:
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    answered = 0
    while line := questions.readline():
        header = json.loads(line)
        raws = [(entry, questions.read(entry["nbytes"])) for entry in header["arrays"]]
        dtypes = {entry["name"]: entry["dtype"] for entry, _ in raws}
        if dtypes.pop("data") != "float32" or dtypes.pop("b") != "float32":
            said: dict[str, Any] = {"unsupported": "only float32"}
            raw = b""
        elif not {"int32", "int64"}.issuperset(dtypes.values()):
            said = {"unsupported": "only int32 and int64"}
            raw = b""
        else:
            arrays = [np.frombuffer(raw, e["dtype"]).reshape(e["shape"]) for e, raw in raws]
            with np.errstate(all="ignore"):
                c = spmm(how == "assigns", *arrays)
            entry = {"dtype": c.dtype.name, "shape": c.shape, "nbytes": c.nbytes}
            said = {"arrays": [entry]}
            raw = c.tobytes()
        if how == "chats":
            answers.write(b"working on it\n")
        answers.write(json.dumps({"id": header["id"], **said}).encode() + b"\n" + raw)
        answers.flush()
        answered += 1
        if how == "once" or (how == "stops" and answered == 10):
            return


def spmm(assigns: bool, indptr: Any, indices: Any, data: Any, shape: Any, b: Any) -> Any:
    c = np.zeros((shape[0], b.shape[1]), np.float32)
    for m in range(shape[0]):
        for p in range(indptr[m], indptr[m + 1]):
            term = data[p] * b[indices[p]]
            c[m] = term if assigns else c[m] + term
    return c


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
