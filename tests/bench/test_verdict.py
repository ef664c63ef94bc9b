"""The sentence that ends a calibration says what can be trusted and what cannot."""

from dataclasses import replace

from minisparse.bench.verdict import verdict
from minisparse.cost import MACHINES
from minisparse.cost.coefficients import Coefficients, Fit

SERVER = MACHINES["server-2core"]


def fitted(problems: int, within: float) -> Coefficients:
    usual = next(iter(SERVER.coefficients.values()))
    return replace(usual, fit=Fit(problems, 1.2, within))


def test_shares_are_of_all_problems_and_the_bad_are_named_worst_first() -> None:
    machine = replace(
        SERVER,
        coefficients={
            ("spmm panels", "vectorized"): fitted(30, 0.9),
            ("spmm runs", "generated"): fitted(10, 0.1),
            ("spmm_csr", "prepare"): fitted(10, 0.4),
            ("dense to csr", "convert"): fitted(10, 1.0),
        },
    )
    said = verdict(machine)
    assert "kernels for 70%, packings for 40%, conversions for 100% of the problems" in said
    assert said.endswith("not to be trusted: spmm runs generated (10%), spmm_csr prepare (40%).")


def test_what_is_all_good_or_was_not_fitted_is_told() -> None:
    good = replace(SERVER, coefficients={("spmm panels", "vectorized"): fitted(30, 0.5)})
    assert "none is worse than for half of its own" in verdict(good)
    assert verdict(replace(SERVER, coefficients={})).startswith("Nothing was fitted")
