"""What stands above the entries of a Matrix Market file: a banner, comments and sizes."""

from typing import IO, NamedTuple, NoReturn

from minisparse.core.errors import FormatError

LONGEST_LINE = 1 << 16  # the format allows 1024
NUMBERS = {"real": 1, "integer": 1, "complex": 2, "pattern": 0}
_ALIASES = {"double": "real", "unsigned-integer": "integer"}  # which SciPy writes
_SYMMETRIES = ("general", "symmetric", "skew-symmetric", "hermitian")
_LARGEST_DIMENSION = 2**63 - 1


class Header(NamedTuple):
    """What stands above the entries.

    Attributes
    ----------
    coordinate : bool
        Whether entries come with their coordinates.
    field : str
        ``"real"``, ``"integer"``, ``"complex"`` or ``"pattern"``.
    symmetry : str
        ``"general"``, ``"symmetric"``, ``"skew-symmetric"`` or ``"hermitian"``.
    shape : tuple of int
        ``(M, K)``.
    entries : int
        Number of entries that follow.
    lines : int
        Number of lines up to here.
    """

    coordinate: bool
    field: str
    symmetry: str
    shape: tuple[int, int]
    entries: int
    lines: int


def read_header(stream: IO[bytes], where: str, largest: int | None) -> Header:
    """Read banner, comments and sizes."""
    banner, number = _next_line(stream, where, 0), 1
    words = banner.lower().split()
    if len(words) != 5 or words[0] != "%%matrixmarket" or words[1] != "matrix":
        raise FormatError(
            f"{where}, line 1: {banner[:80]!r}: it must be '%%MatrixMarket matrix' and three "
            f"words more, as in '%%MatrixMarket matrix coordinate real general'"
        )
    field, symmetry = _ALIASES.get(words[3], words[3]), words[4]
    if words[2] not in ("coordinate", "array"):
        raise FormatError(f"{where}, line 1: {words[2]!r} is neither 'coordinate' nor 'array'")
    _check_kind(words[2] == "coordinate", field, symmetry, where)
    line = ""
    while not line.strip() or line.startswith("%"):
        line, number = _next_line(stream, where, number), number + 1
        if number % 1024 == 0:  # asking for the place takes longer than reading the line
            check_length(stream, where, largest)
    coordinate = words[2] == "coordinate"
    return _parse_sizes(line, Header(coordinate, field, symmetry, (0, 0), 0, number), where)


def _check_kind(coordinate: bool, field: str, symmetry: str, where: str) -> None:
    """Refuse kinds of numbers and of symmetry that do not exist, or not together."""
    if field not in NUMBERS:
        raise FormatError(f"{where}, line 1: {field!r} is none of {', '.join(NUMBERS)}")
    if symmetry not in _SYMMETRIES:
        raise FormatError(f"{where}, line 1: {symmetry!r} is none of {', '.join(_SYMMETRIES)}")
    if field == "pattern" and (not coordinate or symmetry not in ("general", "symmetric")):
        raise FormatError(
            f"{where}, line 1: a pattern must be 'coordinate', and 'general' or 'symmetric'"
        )
    if symmetry == "hermitian" and field != "complex":
        raise FormatError(f"{where}, line 1: 'hermitian' needs 'complex' numbers, not '{field}'")


def _parse_sizes(line: str, header: Header, where: str) -> Header:
    """Return the header with shape and number of entries filled in."""
    at = f"{where}, line {header.lines}"
    words = line.split()
    wanted = 3 if header.coordinate else 2
    if len(words) != wanted or not all(w.isdigit() and w.isascii() for w in words):
        names = "rows, columns and entries" if header.coordinate else "rows and columns"
        raise FormatError(f"{at}: {line[:80]!r}: it must hold the {wanted} numbers of {names}")
    sizes = [int(w) if len(w) < 20 else 2**64 for w in words]
    if max(sizes) > _LARGEST_DIMENSION:
        raise FormatError(f"{at}: {line[:80]!r}: sizes must fit into 64 bits")
    m, k = sizes[:2]
    if header.symmetry != "general" and m != k:
        raise FormatError(f"{at}: {m}x{k} cannot be {header.symmetry}: it must be square")
    triangle = {"general": m * k, "skew-symmetric": m * (m - 1) // 2}
    cells = triangle.get(header.symmetry, m * (m + 1) // 2)
    return header._replace(shape=(m, k), entries=sizes[2] if header.coordinate else cells)


def _next_line(stream: IO[bytes], where: str, before: int) -> str:
    """Read one line of the header, which is number ``before + 1``."""
    line = stream.readline(LONGEST_LINE)
    if not line:
        raise FormatError(f"{where}: it ends after line {before}, before its sizes were told")
    if len(line) == LONGEST_LINE:
        fail_as_long(where, before + 1)
    return line.decode("latin-1").rstrip("\r\n")  # any byte may stand in a comment


def fail_as_long(where: str, line: int) -> NoReturn:
    """Refuse a line that does not end."""
    raise FormatError(f"{where}, line {line}: longer than {LONGEST_LINE} characters")


def check_length(stream: IO[bytes], where: str, largest: int | None) -> None:
    """Stop where a compressed file unpacks to more text than it may."""
    if largest is not None and stream.tell() > largest:
        raise FormatError(
            f"{where}: its text has more than {largest} bytes; if it is to be trusted, "
            f"read_mtx(..., largest=) allows more"
        )
