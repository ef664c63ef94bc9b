"""Optionals that are known to hold something are what they hold; others are onnx's to handle."""

from minisparse.frontends.onnx.rule import Call, Rules


def _optional(call: Call) -> str:
    """Hand on what is made optional."""
    if not call.has(0):
        call.decline("it holds nothing")
    return call.inputs[0]


def _get_element(call: Call) -> str:
    """Hand on what is held."""
    _check_held(call)
    return call.inputs[0]


def _has_element(call: Call) -> str:
    """Say yes of what is there."""
    _check_held(call)
    return call.constant(True, bool)


def _check_held(call: Call) -> None:
    """Decline where only the run tells whether something is held."""
    proto = call.draft.protos.get(call.inputs[0]) if call.has(0) else None
    if not call.has(0) or (proto is not None and proto.WhichOneof("value") == "optional_type"):
        call.decline("whether it holds something is not known")


OPTIONALS = Rules(
    {
        "Optional": _optional,
        "OptionalGetElement": _get_element,
        "OptionalHasElement": _has_element,
    }
)
