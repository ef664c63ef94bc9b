"""Print the mutation score: ``python -m tests.oracle.mutants [seed]``."""

import sys

from tests.oracle.mutants.score import EXAMPLES, MUTANTS, run, table
from tests.oracle.variants.all import VARIANTS, false_alarms


def main() -> int:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    outcomes = [run(mutant, seed=seed) for mutant in MUTANTS]
    out = sys.stdout.write
    out(f"{table(outcomes)}\n")
    missed = [o.mutant for o in outcomes if o.found_at is None]
    for mutant in missed:
        out(f"not found in {EXAMPLES} examples: {mutant.op} {mutant.name}\n")
    slowest = max(outcomes, key=lambda o: o.seconds)
    out(f"slowest: {slowest.mutant.op} {slowest.mutant.name}, {slowest.seconds:.1f} s\n")
    alarms = false_alarms(seed=seed)
    out(f"false alarms: {len(alarms)} of {len(VARIANTS)} legitimate variants\n")
    for name, report in alarms:
        out(f"{name}\n{report}\n")
    return 1 if missed or alarms else 0


if __name__ == "__main__":
    raise SystemExit(main())
