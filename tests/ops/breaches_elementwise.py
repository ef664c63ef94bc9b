"""What breaks each constraint of the elementwise ops."""

from tests.ops.breaches import Breach, of

_FLOATING = (
    "floor ceil round sqrt reciprocal exp log sin cos tanh erf sigmoid softplus hard_sigmoid "
    "hard_swish leaky_relu elu is_nan is_inf"
).split()
_MIXED = (of(2), of(2, dtype="m8[s]"))
_APART = (of(2, 3), of(2))
_COMPLEX = (of(2), of(2, dtype="complex64"))

BREACHES = (
    *(Breach(name, "C1", (of(2, dtype="int32"),)) for name in _FLOATING),
    *(Breach(name, "C1", (of(2, dtype="bool"),)) for name in ("neg", "abs", "sign")),
    Breach("abs", "C1", (of(2, dtype="complex64"),)),
    Breach("not", "C1", (of(2, dtype="uint8"),)),
    Breach("hard_sigmoid", "C2", (of(2),), {"alpha": float("nan")}),
    Breach("hard_sigmoid", "C2", (of(2),), {"beta": float("inf")}),
    Breach("leaky_relu", "C2", (of(2),), {"alpha": float("inf")}),
    Breach("elu", "C2", (of(2),), {"alpha": float("nan")}),
    Breach("elu", "C2", (of(2),), {"alpha": True}),
    Breach("is_inf", "C2", (of(2),), {"detect_negative": 2}),
    Breach("prelu", "C1", (of(3), of(2, 3))),
    Breach("prelu", "C1", (of(2, 3), of(2))),
    Breach("prelu", "C2", _MIXED),
    Breach("prelu", "C3", _COMPLEX),
    *(
        Breach(name, "C1", types)
        for name in "sub div mod pow equal less greater less_or_equal greater_or_equal".split()
        for types in (_APART, (of("batch", 3), of(4, 3)))
    ),
    *(
        Breach(name, "C2", _MIXED)
        for name in "sub div mod equal less greater less_or_equal greater_or_equal".split()
    ),
    Breach("sub", "C3", (of(2, dtype="bool"), of(2, dtype="bool"))),
    *(
        Breach(name, "C3", _COMPLEX)
        for name in "div mod less greater less_or_equal greater_or_equal".split()
    ),
    Breach("mod", "C4", (of(2), of(2)), {"fmod": 2}),
    Breach("pow", "C2", _COMPLEX),
    Breach("pow", "C2", _MIXED),
    *(
        Breach(name, number, types)
        for name in ("max", "min")
        for number, types in (
            ("C1", ()),
            ("C2", _APART),
            ("C3", _MIXED),
            ("C4", _COMPLEX),
        )
    ),
    *(
        Breach(name, number, types)
        for name in ("and", "or", "xor")
        for number, types in (
            ("C1", (of(2, 3, dtype="bool"), of(2, dtype="bool"))),
            ("C2", (of(2, dtype="bool"), of(2, dtype="int8"))),
        )
    ),
    Breach("where", "C1", (of(2, dtype="bool"), of(2), of(3))),
    Breach("where", "C2", (of(2, dtype="uint8"), of(2), of(2))),
    Breach("where", "C3", (of(2, dtype="bool"), of(2), of(2, dtype="O"))),
    Breach("cast", "C1", (of(2, dtype="O"),)),
    Breach("cast", "C2", (of(2),), {"to": "float8"}),
    Breach("cast", "C3", (of(2, dtype="complex64"),), {"to": "float32"}),
)
