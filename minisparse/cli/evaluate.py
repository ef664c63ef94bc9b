"""``minisparse evaluate``: how good, how fast and how large a model is on given inputs."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from minisparse.cli.numbers import positive

if TYPE_CHECKING:
    from minisparse.evaluation import Evaluation


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """Add the options that evaluation has beside those of all verbs on models."""
    command.add_argument(
        "--reference", metavar="MODEL",
        help="compare outputs with this model's, such as the one before pruning",
    )  # fmt: skip
    command.add_argument(
        "--batch", type=positive, metavar="N", help="items in a run (default: all at once)"
    )
    command.add_argument(
        "--rounds", type=positive, default=7, metavar="N", help="runs that are timed (default 7)"
    )
    command.add_argument(
        "--passes", action="store_true", help="time the model as compiled up to each pass"
    )
    command.add_argument("--json", action="store_true", help="print figures as JSON")
    command.set_defaults(verb=evaluate_model)


def evaluate_model(options: argparse.Namespace) -> int:
    """Evaluate a model and print what was found."""
    from minisparse.api import compile, compile_dense
    from minisparse.cli.models import find_inputs, find_model
    from minisparse.evaluation import evaluate

    graph = find_model(options.model)
    inputs = find_inputs(graph, options.model, options.input)
    sizes = inputs.first(options.batch or inputs.items).sizes(graph)
    plan = compile(graph, options.target, sizes=sizes)
    reference = options.reference and compile_dense(find_model(options.reference))
    found = evaluate(
        plan, inputs.feeds, inputs.labels, options.rounds,
        reference=reference, batch=options.batch, passes=options.passes,
    )  # fmt: skip
    if options.json:
        sys.stdout.write(json.dumps(as_json(found), indent=1) + "\n")
    else:
        sys.stdout.write(f"{options.model} on {inputs.source}\n\n{found}\n")
    return 0


def as_json(found: "Evaluation") -> dict[str, Any]:
    """Return an evaluation as plain data: seconds and bytes as numbers."""
    stages = () if found.stages is None else found.stages.stages
    return {
        "accuracy": None if found.accuracy != found.accuracy else found.accuracy,
        "count": found.count,
        "batch": found.batch,
        "errors": dict(found.errors),
        "seconds": list(found.timing.seconds),
        "median_seconds": found.timing.median,
        "weight_bytes": found.memory.weights,
        "packed_bytes": found.memory.packed,
        "peak_value_bytes_predicted": found.memory.predicted,
        "peak_bytes_measured": found.memory.measured,
        "passes": [
            {
                "after": stage.name,
                "seconds": list(stage.timing.seconds),
                "weight_bytes": stage.weight_bytes,
                "packed_bytes": stage.packed_bytes,
                "peak_value_bytes_predicted": stage.value_bytes,
            }
            for stage in stages
        ],
    }
