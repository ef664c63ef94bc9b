"""Draw the model of the lanes in plain text: whose a place of a tile is, and where it lies."""

from minisparse.core.dtypes import Array
from minisparse.gpu.tensor_cores.fragments import Fragment
from minisparse.gpu.tensor_cores.metadata import unpack_metadata
from minisparse.gpu.tensor_cores.shared import swizzled


def fragment_text(fragment: Fragment) -> str:
    """Return a tile as a table: in each place the lane that holds it, and as which element.

    Examples
    --------
    >>> from minisparse.gpu.tensor_cores import C
    >>> print(fragment_text(C).splitlines()[2])
      1   4.0   4.1   5.0   5.1   6.0   6.1   7.0   7.1
    """
    cells = [
        [f"{lane}.{element}" for lane, element in zip(*row, strict=True)]
        for row in zip(fragment.lanes, fragment.elements, strict=True)
    ]
    return _table(cells)


def swizzle_text(rows: int, pieces: int) -> str:
    """Return a tile of B as shared memory has it: in each place, which piece of the row is there.

    Examples
    --------
    >>> print(swizzle_text(2, 8))
          0  1  2  3  4  5  6  7
      0   0  1  2  3  4  5  6  7
      1   1  0  3  2  5  4  7  6
    """
    lines = []
    for k in range(rows):
        at = {swizzled(k, piece, pieces) - k * pieces: piece for piece in range(pieces)}
        lines.append([str(at[place]) for place in range(pieces)])
    return _table(lines)


def word_text(words: Array, lane: int) -> str:
    """Return a lane's word of metadata, bit by bit, and what it says.

    Parameters
    ----------
    words : ndarray of uint32, shape (32,)
        Of 32 rows and 32 columns.
    lane : int
        Whose.
    """
    g, t = divmod(lane, 4)
    positions = unpack_metadata(words)
    lines = [f"lane {lane}: {int(words[lane]):032b}"]
    for half in range(2):
        row, first = 16 * (t // 2) + g + 8 * half, 8 * (t % 2)
        bits = f"{int(words[lane]) >> 16 * half & 0xFFFF:016b}"
        pairs = [bits[i : i + 4] for i in range(12, -1, -4)]
        kept = positions[row, first : first + 8].reshape(4, 2)
        shown = "  ".join(f"{p} {a},{b}" for p, (a, b) in zip(pairs, kept, strict=True))
        lines.append(f"  row {row:2}, columns {2 * first:2}-{2 * first + 15:2}:  {shown}")
    return "\n".join(lines)


def _table(cells: list[list[str]]) -> str:
    wide = max(len(cell) for row in cells for cell in row) + 2
    head = "   " + "".join(f"{n:{wide}}" for n in range(len(cells[0])))
    lines = (f"{m:3}" + "".join(f"{cell:>{wide}}" for cell in row) for m, row in enumerate(cells))
    return "\n".join([head, *lines])
