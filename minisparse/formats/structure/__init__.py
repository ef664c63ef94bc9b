"""Parts of matrices, matrices put together, and what is computed cell by cell.

Everything here takes matrices in any format and returns new ones; the methods of
:class:`~minisparse.formats.Matrix` lead here. The rules are S17 to S23 of docs/language.md; in
which format a result comes is decided in one place, :mod:`minisparse.formats.structure.results`.
"""
