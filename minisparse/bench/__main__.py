"""``python -m minisparse.bench formats`` does what ``minisparse bench formats`` does."""

import argparse
import sys

from minisparse.bench.command import add_benches
from minisparse.core.errors import MinisparseError


def main() -> int:
    """Run one benchmark and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m minisparse.bench")
    add_benches(parser)
    options = parser.parse_args()
    try:
        status: int = options.verb(options)
    except MinisparseError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
