"""``python -m minisparse.frontends.onnx.backend``."""

import sys

from minisparse.frontends.onnx.backend.command import main

if __name__ == "__main__":
    sys.exit(main())
