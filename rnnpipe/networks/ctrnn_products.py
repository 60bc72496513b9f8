"""The products of the continuous-time networks' engine, compiled for the CPU from vector instructions written by hand.

Activity of a tile of trials is laid out (unit, trial), trials contiguous. Two kinds of product take nearly all time:

* `multiply`: a matrix times the activity, at every step there and back. The matrix is packed in blocks of `ROWS` rows
  (`pack`); a block times a strip of a few vectors of trials stays in registers, and each weight is read once for all.
* `accumulate`: gradients of weights, sums over trials and steps of products of two units' numbers. `SIDES` units of
  either kind at once, whose sums stay in registers, one lane for every so many trials, until a chunk of steps is done.
  Those of the first kind stay in the nearest cache meanwhile, the others come from the next one, asked for in time.

The code is LLVM's, with vectors as long as the processor's registers, so it needs no particular processor.
"""

# mypy: disable-error-code="no-untyped-call, call-arg"

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from rnnpipe.networks.rate_products import permutes

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": {"contract"}, "error_model": "numpy"}

WIDE = permutes()
"""Whether there are 32 registers of 64 bytes (AVX-512), not 16 of 32."""
ROWS = 5
"""Rows of a block of a packed matrix."""
REGISTER = 64 if WIDE else 32
"""Bytes of a vector."""
VECTORS = 4 if WIDE else 2
"""Vectors of a strip: ROWS * VECTORS sums, the strip and a weight fit into the registers."""
SIDES = (6, 4) if WIDE else (4, 3)
"""Units whose products are summed at once."""
GRAIN = 16
"""Trials of a tile are a multiple of this: one vector of 64 bytes in float32."""
DEPTH = 128
"""Columns of a matrix whose part of the activity should stay in the nearest cache."""
PANEL = 60
"""Units of the second kind (a multiple of SIDES[1]) that are taken through a chunk of steps at once."""
SUMS = 32
"""Room for the sums of a block of `accumulate`, filled up to whole vectors."""

_WORD = ir.IntType(64)


class _Vectors:
    """Vectors of one precision in the function that is being written."""

    def __init__(self, builder: Any, dtype: Any) -> None:
        self.builder = builder
        single = dtype == types.float32
        self.element = ir.FloatType() if single else ir.DoubleType()
        self.lanes = REGISTER // (4 if single else 8)
        self.type = ir.VectorType(self.element, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def pointer(self, base: Any, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(base, [at]), self.type.as_pointer())

    def load(self, base: Any, at: Any) -> Any:
        return self.builder.load(self.pointer(base, at), align=4)

    def store(self, value: Any, base: Any, at: Any) -> None:
        self.builder.store(value, self.pointer(base, at), align=4)

    def spread(self, base: Any, at: Any) -> Any:
        """One number in every lane."""
        b, undefined = self.builder, ir.Constant(self.type, ir.Undefined)
        one = b.insert_element(undefined, b.load(b.gep(base, [at])), ir.Constant(ir.IntType(32), 0))
        return b.shuffle_vector(
            one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        )

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        return self.builder.fadd(self.builder.fmul(x, y, flags=["contract"]), z, flags=["contract"])

    def fetch(self, base: Any, at: Any) -> None:
        """Ask for what will be read soon."""
        b, word = self.builder, ir.IntType(32)
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0i8")
        b.call(function, [b.bitcast(b.gep(base, [at]), byte), *(ir.Constant(word, k) for k in (0, 3, 1))])

    def sums(self, vectors: list[Any]) -> Any:
        """Lane k of the result is the sum over lanes of vector k, of as many vectors as there are lanes."""
        half = 1
        while len(vectors) > 1:
            paired = []
            for one, other in zip(vectors[::2], vectors[1::2], strict=True):
                lanes = range(self.lanes)
                straight = [k if k & half == 0 else self.lanes + k for k in lanes]
                crossed = [k ^ half if k & half == 0 else self.lanes + (k ^ half) for k in lanes]
                masks = [ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), m) for m in (straight, crossed)]
                paired.append(self.builder.fadd(*(self.builder.shuffle_vector(one, other, mask) for mask in masks)))
            vectors, half = paired, 2 * half
        return vectors[0]


def _plus(builder: Any, *terms: Any) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = builder.add(total, ir.Constant(_WORD, term) if isinstance(term, int) else term)
    return total


def _data(context: Any, builder: Any, signature: Any, args: Any, k: int) -> Any:
    return context.make_array(signature.args[k])(context, builder, args[k]).data


def _strip(vectors: int) -> Any:
    """The product of a packed block with a strip of this many vectors."""

    @intrinsic
    def block(
        typingctx: Any, w: Any, w_at: Any, x: Any, x_at: Any, out: Any, out_at: Any, depth: Any, width: Any
    ) -> Any:
        del typingctx

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = _Vectors(builder, signature.args[0].dtype)
            weights, source, target = (_data(context, builder, signature, args, k) for k in (0, 2, 4))
            w_at, x_at, out_at, depth, width = args[1], args[3], args[5], args[6], args[7]
            places = []
            for row in range(ROWS):
                first = _plus(builder, out_at, builder.mul(width, ir.Constant(_WORD, row)))
                places += [_plus(builder, first, k * v.lanes) for k in range(vectors)]
            totals = [cgutils.alloca_once(builder, v.type) for _ in places]
            for total, place in zip(totals, places, strict=True):
                builder.store(v.load(target, place), total)
            with cgutils.for_range(builder, depth, intp=_WORD) as step:
                at = _plus(builder, x_at, builder.mul(step.index, width))
                strip = [v.load(source, _plus(builder, at, k * v.lanes)) for k in range(vectors)]
                at = _plus(builder, w_at, builder.mul(step.index, ir.Constant(_WORD, ROWS)))
                for row in range(ROWS):
                    weight = v.spread(weights, _plus(builder, at, row))
                    for k in range(vectors):
                        total = totals[row * vectors + k]
                        builder.store(v.multiply_add(weight, strip[k], builder.load(total)), total)
            for total, place in zip(totals, places, strict=True):
                v.store(builder.load(total), target, place)
            return context.get_dummy_value()

        return types.void(w, types.int64, x, types.int64, out, types.int64, types.int64, types.int64), generate

    return block


_strip_1, _strip_2, _strip_3, _strip_4 = (_strip(k) for k in (1, 2, 3, 4))


@numba.njit(**_OPTIONS)
def multiply(w: Any, n_rows: int, depth: int, x: Any, x_at: int, out: Any, out_at: int, width: int) -> None:
    """Add a packed matrix times the activity of a tile.

    Args:
        w: The matrix, see `pack`.
        n_rows: Its rows, filled up to a multiple of ROWS: as many rows of `out` must be there.
        depth: Its columns.
        x: Vector that holds the activity, (depth, width).
        x_at: Where in it that begins.
        out: Vector that is added to, (n_rows, width).
        out_at: Where in it that begins.
        width: Trials of the tile, a multiple of GRAIN.
    """
    lanes = REGISTER // w.itemsize
    for start in range(0, depth, DEPTH):
        deep = min(DEPTH, depth - start)
        column = 0
        while column < width:
            left = min((width - column) // lanes, VECTORS)
            source = x_at + start * width + column
            for row in range(0, n_rows, ROWS):
                at, to = row * depth + start * ROWS, out_at + row * width + column
                if left == 4:
                    _strip_4(w, at, x, source, out, to, deep, width)
                elif left == 3:
                    _strip_3(w, at, x, source, out, to, deep, width)
                elif left == 2:
                    _strip_2(w, at, x, source, out, to, deep, width)
                else:
                    _strip_1(w, at, x, source, out, to, deep, width)
            column += left * lanes


@intrinsic
def _block(
    typingctx: Any, a: Any, a_at: Any, a_step: Any, b: Any, b_at: Any, b_step: Any, out: Any, out_at: Any, steps: Any,
    width: Any,
) -> Any:  # fmt: skip
    """Add the sums of products of SIDES units, over steps and trials, to SUMS numbers of `out`."""
    del typingctx

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(builder, signature.args[0].dtype)
        left, right, target = (_data(context, builder, signature, args, k) for k in (0, 3, 6))
        a_at, a_step, b_at, b_step, out_at, steps, width = (args[k] for k in (1, 2, 4, 5, 7, 8, 9))
        rows, columns = SIDES
        totals = [cgutils.alloca_once(builder, v.type) for _ in range(rows * columns)]
        for total in totals:
            builder.store(v.zero, total)
        with cgutils.for_range(builder, steps, intp=_WORD) as step:
            a_row = _plus(builder, a_at, builder.mul(step.index, a_step))
            b_row = _plus(builder, b_at, builder.mul(step.index, b_step))
            zero, lanes = ir.Constant(_WORD, 0), ir.Constant(_WORD, v.lanes)
            with cgutils.for_range_slice(builder, zero, width, lanes, intp=_WORD) as (trial, _):
                ones = []
                for i in range(rows):
                    at = _plus(builder, a_row, builder.mul(width, ir.Constant(_WORD, i)), trial)
                    ones.append(v.load(left, at))
                for j in range(columns):
                    at = _plus(builder, b_row, builder.mul(width, ir.Constant(_WORD, j)), trial)
                    other = v.load(right, at)
                    v.fetch(right, _plus(builder, at, b_step))
                    for i in range(rows):
                        total = totals[i * columns + j]
                        builder.store(v.multiply_add(ones[i], other, builder.load(total)), total)
        found = [builder.load(total) for total in totals]
        found += [v.zero] * (-len(found) % v.lanes)
        for k in range(0, len(found), v.lanes):
            at = _plus(builder, out_at, k)
            v.store(builder.fadd(v.load(target, at), v.sums(found[k : k + v.lanes])), target, at)
        return context.get_dummy_value()

    n = types.int64
    return types.void(a, n, n, b, n, n, out, n, n, n), generate


@numba.njit(**_OPTIONS)
def accumulate(  # type: ignore[no-untyped-def]
    a, a_at, n_a, a_step, b, b_at, n_b, b_step, out, n_steps, width
):  # fmt: skip
    """Add sum over steps and trials of a[step, i, trial] b[step, j, trial] to the blocks of `out`, see `unpack`.

    Args:
        a: Vector that holds activity, (n_a, width) at each step.
        a_at: Where that of the first step begins.
        n_a: Units, a multiple of SIDES[0].
        a_step: Length of a step's part of the vector.
        b: The other activity, (n_b, width) at each step.
        b_at: As `a_at`.
        n_b: Units, a multiple of SIDES[1].
        b_step: As `a_step`.
        out: (n_a / SIDES[0] * n_b / SIDES[1] * SUMS,).
        n_steps: Steps.
        width: Trials of the tile.
    """
    n_columns = n_b // SIDES[1]
    for panel in range(0, n_b, PANEL):
        for i in range(0, n_a, SIDES[0]):
            for j in range(panel, min(panel + PANEL, n_b), SIDES[1]):
                at = SUMS * (i // SIDES[0] * n_columns + j // SIDES[1])
                _block(a, a_at + i * width, a_step, b, b_at + j * width, b_step, out, at, n_steps, width)


@numba.njit(**_OPTIONS)
def unpack(blocks: Any, out: Any) -> None:
    """Sums of `accumulate` as a matrix, (n_a, n_b)."""
    n_columns = out.shape[1] // SIDES[1]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            at = SUMS * (i // SIDES[0] * n_columns + j // SIDES[1])
            out[i, j] = blocks[at + i % SIDES[0] * SIDES[1] + j % SIDES[1]]


def pack(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A matrix (n_rows, depth) as `multiply` wants it, filled up with rows of zeros: a vector, [block, column, row]."""
    filled = np.zeros((-(-len(matrix) // ROWS) * ROWS, matrix.shape[1]), matrix.dtype)
    filled[: len(matrix)] = matrix
    return np.ascontiguousarray(filled.reshape(-1, ROWS, matrix.shape[1]).transpose(0, 2, 1)).reshape(-1)
