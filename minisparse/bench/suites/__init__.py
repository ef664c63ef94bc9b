"""What can be timed: a file for each suite, found by the constant that it ends with."""

from minisparse.bench.suite import Suite
from minisparse.core.discover import declared

SUITES: dict[str, Suite] = {
    suite.name: suite for suite in declared(__name__, __path__, Suite).values()
}
"""Every suite by name."""
