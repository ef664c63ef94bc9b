"""What SciPy calls by another name than minisparse."""

_ELSEWHERE = {
    "toarray": ".to_dense()", "todense": ".to_dense()", "A": ".to_dense()",
    "tocsr": ".to('csr')", "tocsc": ".to('csc')", "tobsr": ".to('bsr', block=(4, 4))",
    "transpose": ".T", "dot": " @ b", "multiply": " * B", "power": ".with_data(A.data**2)",
    "getnnz": ".nnz", "nonzero": ".triplets()", "getrow": "[m]", "getcol": "[:, k]",
    "conjugate": ".conj()",
}  # fmt: skip
"""Names of SciPy's, and what they are here."""


def name_here(name: str) -> str:
    """Return what to write instead of a name of SciPy's; nothing if it is none.

    Examples
    --------
    >>> name_here("toarray"), name_here("to_array")
    ('; write A.to_dense()', '')
    """
    return f"; write A{_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
