"""``python -m minisparse`` does what ``minisparse`` does."""

import sys

from minisparse.cli import main

if __name__ == "__main__":
    sys.exit(main())
