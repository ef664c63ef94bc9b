"""The instructions that multiply and add: what one computes, of what, and where that is specified.

An instruction multiplies a tile of A ``[m, k]`` by one of B ``[k, n]`` and adds the products to one
of C ``[m, n]``. A is the weight; where SIMD lanes lie along n, m is 1.

Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2 (SDM); Arm
Architecture Reference Manual for A-profile, DDI 0487, chapter C7.2 (Arm ARM); PTX ISA 8.7, sections
9.7.14.5 (``mma``) and 9.7.14.6 (``mma.sp``). Rates of SIMD instructions are their lanes, those of
tensor cores what NVIDIA says of the A100 (NVIDIA A100 Tensor Core GPU Architecture, 2020): 1024
multiply-adds of float16 a clock and multiprocessor, 64 of float32 without them.
"""

from dataclasses import dataclass

from minisparse.core.errors import UsageError

_BYTES = (("uint8", "int8"), ("int8", "uint8"))
_ANY_BYTES = (*_BYTES, ("int8", "int8"), ("uint8", "uint8"))


@dataclass(frozen=True)
class MachineInstruction:
    """One row of the table.

    Attributes
    ----------
    name : str
        How it is asked for.
    needs : str
        The instruction set that a machine must have: ``"avx512_fma"``, ``"mma_sp"`` …
    mnemonic : str
        How its manual calls it.
    shape : tuple of int
        m, n, k of one instruction.
    operands : tuple of (str, str)
        Which formats of A and B it multiplies.
    accumulator : str
        The dtype of C.
    takes : tuple of str
        Dtypes of weights that it can be given: those it multiplies, and those that become one of
        them without rounding, or for TF32 with it.
    layout : str
        How its operands must lie in memory.
    source : str
        Where it is specified.
    rate : float
        Multiply-adds at its peak over those of the same machine's scalar fused multiply-add of
        float32; zeros that are multiplied count, those that are skipped do not.
    group : tuple of int, optional
        The n:m along K that A must have.
    cuts : int
        Bits of a sum that saturates instead of wrapping; 0 where none does.
    shifts : bool
        Whether signed bytes are brought to it by a shift that is taken off again exactly.
    """

    name: str
    needs: str
    mnemonic: str
    shape: tuple[int, int, int]
    operands: tuple[tuple[str, str], ...]
    accumulator: str
    takes: tuple[str, ...]
    layout: str
    source: str
    rate: float
    group: tuple[int, int] | None = None
    cuts: int = 0
    shifts: bool = False

    @property
    def peak(self) -> float:
        """Its peak over that of the instruction for dense operands of the same format."""
        return self.group[1] / self.group[0] if self.group else 1.0

    @property
    def skips(self) -> tuple[int, int]:
        """Height and width of the pieces of A that are left out where all of a piece is zero."""
        m, _, k = self.shape
        return m, k

    @property
    def rounds(self) -> bool:
        """Whether it rounds the weights that it takes."""
        return self.operands[0][0] == "tf32"

    def __str__(self) -> str:
        """Return name, shape and formats: ``mma_f16: 16x8x16, float16 x float16 + float32``."""
        kinds = " or ".join(f"{a} x {b}" for a, b in self.operands)
        size = "x".join(map(str, self.shape))
        needed = f", A {self.group[0]}:{self.group[1]}" if self.group else ""
        return f"{self.name}: {size}, {kinds} + {self.accumulator}{needed}"


def _fma(needs: str, mnemonic: str, lanes: int, double: bool, source: str) -> MachineInstruction:
    """Return the fused multiply-add of one width."""
    dtype = "float64" if double else "float32"
    # Narrow floats are widened first, which is exact; sums are float32's then, as rule S8 has it.
    takes = (dtype,) if double else (dtype, "float16", "bfloat16")
    return MachineInstruction(
        name=f"{needs}_{'f64' if double else 'f32'}",
        needs=needs,
        mnemonic=mnemonic,
        shape=(1, lanes, 1),
        operands=((dtype, dtype),),
        accumulator=dtype,
        takes=takes,
        layout="lanes along n: rows of B contiguous" if lanes > 1 else "any",
        source=source,
        rate=float(lanes),
    )


def _int8(
    needs: str, name: str, mnemonic: str, lanes: int, kinds: str, source: str
) -> MachineInstruction:
    """Return a dot product of four bytes in each 32-bit lane."""
    operands = (("int8", "int8"),) if kinds == "s8" else _BYTES
    return MachineInstruction(
        name=name,
        needs=needs,
        mnemonic=mnemonic,
        shape=(1, lanes, 4),
        operands=operands,
        accumulator="int32",
        takes=("int8",) if kinds == "s8" else ("int8", "uint8"),
        layout="4 neighbors along K in a lane: B packed as [K / 4, N, 4]",
        source=source,
        rate=4.0 * lanes / (3 if mnemonic.startswith("vpmaddubsw") else 1),  # three instructions
        cuts={"avx2_maddubs": 16, "avx512_dpbusds": 32}.get(name, 0),
        shifts=kinds == "u8s8" and name != "avx512_dpbusds",
    )


def _mma(
    name: str, format: str, k: int, rate: float, group: tuple[int, int] | None
) -> MachineInstruction:
    """Return a tensor core's instruction, of a dense A or of a compressed one."""
    letters = {"float16": "f16", "bfloat16": "bf16", "tf32": "tf32", "int8": "s8"}[format]
    total = "s32" if format == "int8" else "f32"
    kind = "mma.sp::ordered_metadata" if group else "mma"
    tiles = "A by rows, B by columns, in tiles"
    layout = f"{tiles}; A's groups begin at multiples of {group[1]}" if group else tiles
    takes = {"int8": ("int8", "uint8"), "tf32": ("float32",)}.get(format, (format,))
    return MachineInstruction(
        name=name,
        needs="mma_sp" if group else "mma",
        mnemonic=f"{kind}.sync.aligned.m16n8k{k}.row.col.{total}.{letters}.{letters}.{total}",
        shape=(16, 8, k),
        operands=_ANY_BYTES if format == "int8" else ((format, format),),
        accumulator="int32" if format == "int8" else "float32",
        takes=takes,
        layout=layout,
        source=f"PTX ISA 8.7, section 9.7.14.{6 if group else 5}",
        rate=rate,
        group=group,
    )


_FMA_X86 = "SDM, VFMADD132PS/213PS/231PS and VFMADD132PD/213PD/231PD"
_FMA_ARM = "Arm ARM, FMLA (vector)"
_SCALAR = "IEEE 754-2019, 5.4.1; C11, 7.12.13.1; PTX ISA 8.7, 9.7.3, fma"

INSTRUCTIONS: dict[str, MachineInstruction] = {
    i.name: i
    for i in (
        _fma("scalar_fma", "fmaf", 1, False, _SCALAR),
        _fma("scalar_fma", "fma", 1, True, _SCALAR),
        MachineInstruction(
            name="scalar_multiply_add",
            needs="scalar_fma",
            mnemonic="32-bit multiply, add",
            shape=(1, 1, 1),
            operands=(*_ANY_BYTES, ("int16", "int16"), ("int32", "int32")),
            accumulator="int32",
            takes=("int8", "uint8", "int16", "int32", "bool"),
            layout="any",
            source="SDM, IMUL, ADD; Arm ARM, MADD; PTX ISA 8.7, 9.7.1, mad.lo",
            rate=1.0,
        ),
        _fma("avx2_fma", "vfmadd231ps ymm", 8, False, _FMA_X86),
        _fma("avx2_fma", "vfmadd231pd ymm", 4, True, _FMA_X86),
        _fma("avx512_fma", "vfmadd231ps zmm", 16, False, _FMA_X86),
        _fma("avx512_fma", "vfmadd231pd zmm", 8, True, _FMA_X86),
        _fma("neon_fma", "fmla v.4s", 4, False, _FMA_ARM),
        _fma("neon_fma", "fmla v.2d", 2, True, _FMA_ARM),
        _int8("avx2_fma", "avx2_maddubs", "vpmaddubsw, vpmaddwd, vpaddd ymm", 8, "u8s8",
              "SDM, VPMADDUBSW"),
        _int8("avx512_vnni", "avx512_dpbusd", "vpdpbusd zmm", 16, "u8s8", "SDM, VPDPBUSD"),
        _int8("avx512_vnni", "avx512_dpbusds", "vpdpbusds zmm", 16, "u8s8", "SDM, VPDPBUSDS"),
        _int8("neon_dot", "neon_sdot", "sdot v.4s, v.16b, v.16b", 4, "s8",
              "Arm ARM, SDOT (vector), FEAT_DotProd"),
        _mma("mma_f16", "float16", 16, 16, None),
        _mma("mma_bf16", "bfloat16", 16, 16, None),
        _mma("mma_tf32", "tf32", 8, 8, None),
        _mma("mma_s8", "int8", 32, 32, None),
        _mma("mma_sp_f16", "float16", 32, 32, (2, 4)),
        _mma("mma_sp_bf16", "bfloat16", 32, 32, (2, 4)),
        _mma("mma_sp_tf32", "tf32", 16, 16, (1, 2)),
        _mma("mma_sp_s8", "int8", 64, 64, (2, 4)),
    )
}  # fmt: skip
"""Every instruction by its name."""


def find_instruction(name: "str | MachineInstruction") -> MachineInstruction:
    """Return an instruction by its name; UsageError names those that there are.

    Examples
    --------
    >>> print(find_instruction("mma_sp_f16"))
    mma_sp_f16: 16x8x32, float16 x float16 + float32, A 2:4
    """
    if isinstance(name, MachineInstruction):
        return name
    if name not in INSTRUCTIONS:
        raise UsageError(
            f"there is no instruction '{name}'; instructions: {', '.join(INSTRUCTIONS)}"
        )
    return INSTRUCTIONS[name]
