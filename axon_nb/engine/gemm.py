"""Owns the code of a product of matrices on the CPU: LLVM IR for fixed sizes, in tiles that fit registers and cache.

Knows nothing about tensors or graphs.

A tile of the result (6 rows and 16 columns, or 12 and 32 where registers have 512 bits) is held in registers while a
panel of the right matrix, packed into as many columns side by side, goes by. tinygrad's own code for the same sizes
runs at a third to a tenth of the speed.

Source: Goto and van de Geijn 2008, Anatomy of high-performance matrix multiplication.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from axon_nb.engine.llvm import FINISHED, WIDE_REGISTERS

DEPTH = 256
"""How much of the inner axis is done at a time: a packed panel then fits into the first-level cache."""
BLOCK_ROWS = 120
"""Rows for which one panel is packed: they fit into the second-level cache."""
FAR_ROWS = 128
"""Rows of a turned A from which on packing it is faster: a step along its depth is then a line of cache away."""


@dataclass(frozen=True)
class Tile:
    """What is held in registers: ``rows`` times ``vectors`` vectors of ``lanes`` numbers."""

    rows: int
    lanes: int
    vectors: int = 2

    @property
    def columns(self) -> int:
        """How wide it is."""
        return self.lanes * self.vectors

    @property
    def blocks(self) -> int:
        """How many of it one above the other a panel is packed for."""
        return max(1, BLOCK_ROWS // self.rows)

    @property
    def vector(self) -> str:
        """The LLVM type of a vector."""
        return f"<{self.lanes} x float>"


NARROW, WIDE = Tile(6, 8), Tile(12, 16)
"""For 16 registers of 256 bits (or 32 of 128, two to a vector), and for 32 of 512 bits."""


@dataclass(frozen=True)
class Product:
    """Sizes of C = A B for ``batch`` pairs: A (rows, depth), B (depth, columns), each perhaps stored transposed."""

    batch: int
    rows: int
    columns: int
    depth: int
    a_turned: bool
    b_turned: bool
    parts: int
    wide: bool = False
    """Whether the processor has registers of 512 bits."""

    @property
    def tile(self) -> Tile:
        """The tile for its sizes: of few columns, one vector wide and twice as high."""
        tile = WIDE if self.wide else NARROW
        return tile if self.columns > tile.lanes else Tile(2 * tile.rows, tile.lanes, 1)

    @property
    def packs_left(self) -> bool:
        """Whether A is packed too: where it is turned, numbers that are wanted one after the other lie far apart."""
        return self.a_turned and self.rows >= FAR_ROWS and self.columns > self.tile.lanes

    @property
    def name(self) -> str:
        """The kernel's name."""
        turned = ("t" if self.a_turned else "n") + ("t" if self.b_turned else "n")
        wide = "_wide" if self.wide else ""
        return f"product_{self.batch}_{self.rows}_{self.columns}_{self.depth}_{turned}_{self.parts}{wide}"


class _Writer:
    """Lines of LLVM IR, with fresh names and loops."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0
        self._block = "entry"

    def fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def __call__(self, text: str) -> str:
        name = f"%{self.fresh('v')}"
        self.lines.append(f"  {name} = {text}")
        return name

    def say(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def begin(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self._block = label

    def add(self, *terms: str | int) -> str:
        total = str(terms[0])
        for term in terms[1:]:
            total = self(f"add i64 {total}, {term}")
        return total

    def mul(self, left: str | int, right: str | int) -> str:
        return self(f"mul i64 {left}, {right}")

    def least(self, left: str | int, right: str | int) -> str:
        return self(f"call i64 @llvm.umin.i64(i64 {left}, i64 {right})")

    def at(self, base: str, index: str) -> str:
        return self(f"getelementptr float, ptr {base}, i64 {index}")

    def loop(
        self, start: str | int, stop: str | int, step: int,
        body: Callable[[str, list[str]], list[str]], carried: Sequence[tuple[str, str]] = (),
    ) -> list[str]:  # fmt: skip
        """Write a loop; the body takes the index and the carried values, and returns their next ones."""
        head, inside, done = (self.fresh(stem) for stem in ("head", "inside", "done"))
        before = self._block
        self.say(f"br label %{head}")
        self.begin(head)
        place = len(self.lines)
        index = f"%{self.fresh('i')}"
        names = [f"%{self.fresh('c')}" for _ in carried]
        self.say("")
        self.lines += [""] * len(carried)
        more = self(f"icmp ult i64 {index}, {stop}")
        self.say(f"br i1 {more}, label %{inside}, label %{done}")
        self.begin(inside)
        results = body(index, names)
        following = self.add(index, step)
        self.lines[place] = f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{self._block} ]"
        for n, ((kind, first), name, result) in enumerate(zip(carried, names, results, strict=True)):
            self.lines[place + 1 + n] = f"  {name} = phi {kind} [ {first}, %{before} ], [ {result}, %{self._block} ]"
        self.say(f"br label %{head}")
        self.begin(done)
        return names

    def either(self, condition: str, yes: Callable[[], None], no: Callable[[], None] | None = None) -> None:
        """Write a branch."""
        then, other, after = (self.fresh(stem) for stem in ("then", "else", "after"))
        self.say(f"br i1 {condition}, label %{then}, label %{other}")
        self.begin(then)
        yes()
        self.say(f"br label %{after}")
        self.begin(other)
        if no is not None:
            no()
        self.say(f"br label %{after}")
        self.begin(after)


def source(product: Product, abi: str = "") -> str:
    """Return the kernel's LLVM IR: it takes C, A, B and, where it has several parts, the number of the part."""
    write = _Writer()
    part = ", i32 %part32" if product.parts > 1 else ""
    w, p, t = write, product, product.tile
    packed = w(f"alloca [{DEPTH * t.columns} x float], align 64")
    left = w(f"alloca [{DEPTH * t.blocks * t.rows} x float], align 64") if p.packs_left else ""
    number = w("zext i32 %part32 to i64") if p.parts > 1 else "0"
    tiles, panels = -(-p.rows // t.rows), -(-p.columns // t.columns)

    def share(total: int, *, mine: bool) -> tuple[str | int, str | int]:
        if not mine or p.parts == 1:
            return 0, total
        following = w.add(number, 1)
        return w(f"udiv i64 {w.mul(number, total)}, {p.parts}"), w(f"udiv i64 {w.mul(following, total)}, {p.parts}")

    axis = "batch" if p.batch >= p.parts else "columns" if panels >= 2 * p.parts and p.rows < p.columns else "rows"
    batches = share(p.batch, mine=axis == "batch")
    column_range = share(panels, mine=axis == "columns")
    row_range = share(tiles, mine=axis == "rows")

    def one(batch: str, _: list[str]) -> list[str]:
        a, b, c = (
            w.at(f"%{name}", w.mul(batch, size))
            for name, size in (("a", p.rows * p.depth), ("b", p.depth * p.columns), ("c", p.rows * p.columns))
        )

        def slab(k0: str, _: list[str]) -> list[str]:
            length = w.least(w(f"sub i64 {p.depth}, {k0}"), DEPTH)

            def block(t0: str, _: list[str]) -> list[str]:
                t1 = w.least(w.add(t0, t.blocks), row_range[1])
                base = w.mul(t0, t.rows)
                if p.packs_left:
                    _pack_left(
                        w, p, left, a, k0, length, base, w.least(w(f"sub i64 {p.rows}, {base}"), t.blocks * t.rows)
                    )

                def panel(j: str, _: list[str]) -> list[str]:
                    j0 = w.mul(j, t.columns)
                    _pack(w, p, packed, b, k0, length, j0)

                    def tile(n: str, _: list[str]) -> list[str]:
                        i0 = w.mul(n, t.rows)
                        rest = p.rows % t.rows
                        if p.packs_left:
                            rows = w.at(left, w(f"sub i64 {i0}, {base}")), 1, t.blocks * t.rows
                        elif p.a_turned:
                            rows = w.at(a, w.add(w.mul(k0, p.rows), i0)), 1, p.rows
                        else:
                            rows = w.at(a, w.add(w.mul(i0, p.depth), k0)), p.depth, 1

                        def whole() -> None:
                            _tile(w, p, t.rows, packed, rows, c, k0, length, i0, j0)

                        def partial() -> None:
                            _tile(w, p, rest, packed, rows, c, k0, length, i0, j0)

                        if rest == 0:
                            whole()
                        elif p.rows < t.rows:
                            partial()
                        else:
                            w.either(w(f"icmp eq i64 {n}, {tiles - 1}"), partial, whole)
                        return []

                    w.loop(t0, t1, 1, tile)
                    return []

                w.loop(*column_range, 1, panel)
                return []

            w.loop(*row_range, t.blocks, block)
            return []

        w.loop(0, p.depth, DEPTH, slab)
        return []

    w.loop(*batches, 1, one)
    w.say("ret void")
    vector, lanes = t.vector, t.lanes
    declared = "\n".join((
        "declare i64 @llvm.umin.i64(i64, i64)",
        f"declare {vector} @llvm.fmuladd.v{lanes}f32({vector}, {vector}, {vector})",
        f"declare {vector} @llvm.masked.load.v{lanes}f32.p0(ptr, i32, <{lanes} x i1>, {vector})",
        f"declare void @llvm.masked.store.v{lanes}f32.p0({vector}, ptr, i32, <{lanes} x i1>)",
    ))  # fmt: skip
    given = f"ptr noalias %c, ptr noalias %a, ptr noalias %b{part}"
    head = f"define {abi}void @{p.name}({given}) {WIDE_REGISTERS if p.wide else ''} {{\nentry:"
    return "\n".join([FINISHED, declared, head, *w.lines, "}", ""])


def _pack(w: _Writer, p: Product, packed: str, b: str, k0: str, length: str, j0: str) -> None:
    """Copy a panel of B to as many columns side by side as a tile has; columns beyond the last become zeros."""
    t = p.tile
    rest = p.columns % t.columns
    copy = _pack_columns if p.b_turned else _pack_rows

    def some(count: int) -> Callable[[], None]:
        return lambda: copy(w, p, packed, b, k0, length, j0, count)

    if rest == 0:
        some(t.columns)()
    elif p.columns < t.columns:
        some(rest)()
    else:
        w.either(w(f"icmp eq i64 {j0}, {p.columns - rest}"), some(rest), some(t.columns))


def _pack_rows(w: _Writer, p: Product, packed: str, b: str, k0: str, length: str, j0: str, count: int) -> None:
    t = p.tile

    def row(k: str, _: list[str]) -> list[str]:
        to = w.at(packed, w.mul(k, t.columns))
        at = w.at(b, w.add(w.mul(w.add(k0, k), p.columns), j0))
        for v in range(t.vectors):
            value = _load(w, t, w.at(at, str(v * t.lanes)), count - v * t.lanes)
            w.say(f"store {t.vector} {value}, ptr {w.at(to, str(v * t.lanes))}, align 4")
        return []

    w.loop(0, length, 1, row)


def _pack_columns(w: _Writer, p: Product, packed: str, b: str, k0: str, length: str, j0: str, count: int) -> None:
    """Turn squares of as many numbers as a vector has, and what is left over one by one."""
    t = p.tile
    bases = [w.at(b, w.add(w.mul(w.add(j0, n), p.depth), k0)) for n in range(count)]
    squares = w(f"and i64 {length}, {-t.lanes}")

    def square(k: str, _: list[str]) -> list[str]:
        for v in range(t.vectors):
            mine = bases[v * t.lanes : (v + 1) * t.lanes]
            lines = [w(f"load {t.vector}, ptr {w.at(base, k)}, align 4") for base in mine]
            lines += ["zeroinitializer"] * (t.lanes - len(lines))
            for n, line in enumerate(_turned(w, t, lines) if mine else lines):
                to = w.at(packed, w.add(w.mul(w.add(k, n), t.columns), v * t.lanes))
                w.say(f"store {t.vector} {line}, ptr {to}, align 4")
        return []

    def single(k: str, _: list[str]) -> list[str]:
        to = w.at(packed, w.mul(k, t.columns))
        for n in range(t.columns):
            value = w(f"load float, ptr {w.at(bases[n], k)}, align 4") if n < count else "0.0"
            w.say(f"store float {value}, ptr {w.at(to, str(n))}, align 4")
        return []

    w.loop(0, squares, t.lanes, square)
    w.loop(squares, length, 1, single)


def _turned(w: _Writer, t: Tile, lines: list[str]) -> list[str]:
    """Transpose a square that stands in vectors: squares of 1, 2, 4 ... exchange their corners."""
    step = 1
    while step < t.lanes:
        following = list(lines)
        for n in range(t.lanes):
            if not n & step:
                pair = f"{t.vector} {lines[n]}, {t.vector} {lines[n + step]}"
                masks = [
                    [lane + shift if lane & step == 0 else t.lanes + lane - step + shift for lane in range(t.lanes)]
                    for shift in (0, step)
                ]
                for to, mask in zip((n, n + step), masks, strict=True):
                    numbers = ", ".join(f"i32 {lane}" for lane in mask)
                    following[to] = w(f"shufflevector {pair}, <{t.lanes} x i32> <{numbers}>")
        lines, step = following, 2 * step
    return lines


def _pack_left(w: _Writer, p: Product, left: str, a: str, k0: str, length: str, i0: str, count: str) -> None:
    """Copy a block of a transposed A to rows side by side."""
    t = p.tile
    wide = t.blocks * t.rows
    vectors = w(f"and i64 {count}, {-t.lanes}")

    def step(k: str, _: list[str]) -> list[str]:
        to, at = w.at(left, w.mul(k, wide)), w.at(a, w.add(w.mul(w.add(k0, k), p.rows), i0))

        def vector(r: str, _: list[str]) -> list[str]:
            w.say(f"store {t.vector} {_load(w, t, w.at(at, r), t.lanes)}, ptr {w.at(to, r)}, align 4")
            return []

        def single(r: str, _: list[str]) -> list[str]:
            w.say(f"store float {w(f'load float, ptr {w.at(at, r)}, align 4')}, ptr {w.at(to, r)}, align 4")
            return []

        w.loop(0, vectors, t.lanes, vector)
        w.loop(vectors, count, 1, single)
        return []

    w.loop(0, length, 1, step)


def _tile(
    w: _Writer, p: Product, count: int, packed: str, left: tuple[str, int, int], c: str, k0: str, length: str,
    i0: str, j0: str,
) -> None:  # fmt: skip
    """Add a panel's share to one tile of C of so many rows.

    ``left`` is where its rows of A begin, and how far apart are two rows and two numbers of a row.
    """
    t = p.tile
    first, between, along = left
    starts = [w.at(first, str(r * between)) for r in range(count)]

    def step(k: str, sums: list[str]) -> list[str]:
        at = w.at(packed, w.mul(k, t.columns))
        right = [w(f"load {t.vector}, ptr {w.at(at, str(v * t.lanes))}, align 4") for v in range(t.vectors)]
        offset = k if along == 1 else w.mul(k, along)
        following = []
        for r in range(count):
            value = w(f"load float, ptr {w.at(starts[r], offset)}, align 4")
            single = w(f"insertelement {t.vector} poison, float {value}, i64 0")
            zeros = f"<{t.lanes} x i32> zeroinitializer"
            every = w(f"shufflevector {t.vector} {single}, {t.vector} poison, {zeros}")
            for v in range(t.vectors):
                given = f"{t.vector} {every}, {t.vector} {right[v]}, {t.vector} {sums[r * t.vectors + v]}"
                following.append(w(f"call {t.vector} @llvm.fmuladd.v{t.lanes}f32({given})"))
        return following

    sums = w.loop(0, length, 1, step, [(t.vector, "zeroinitializer")] * (count * t.vectors))
    is_first = w(f"icmp eq i64 {k0}, 0")
    rest = p.columns % t.columns

    def put(some: int) -> None:
        for r in range(count):
            at = w.at(c, w.add(w.mul(w.add(i0, r), p.columns), j0))
            for v in range(t.vectors):
                _add(w, t, w.at(at, str(v * t.lanes)), sums[r * t.vectors + v], is_first, some - v * t.lanes)

    if rest == 0:
        put(t.columns)
    elif p.columns < t.columns:
        put(rest)
    else:
        w.either(w(f"icmp eq i64 {j0}, {p.columns - rest}"), lambda: put(rest), lambda: put(t.columns))


def _add(w: _Writer, t: Tile, at: str, value: str, first: str, count: int) -> None:
    """Write numbers to C, or add them to what an earlier slab wrote."""
    if count <= 0:
        return

    def store(what: str) -> None:
        if count >= t.lanes:
            w.say(f"store {t.vector} {what}, ptr {at}, align 4")
        else:
            given = f"{t.vector} {what}, ptr {at}, i32 4, <{t.lanes} x i1> {_mask(t, count)}"
            w.say(f"call void @llvm.masked.store.v{t.lanes}f32.p0({given})")

    w.either(first, lambda: store(value), lambda: store(w(f"fadd {t.vector} {_load(w, t, at, count)}, {value}")))


def _load(w: _Writer, t: Tile, at: str, count: int) -> str:
    """Load a vector, of which only the first numbers may be there; the others become zeros."""
    if count >= t.lanes:
        return w(f"load {t.vector}, ptr {at}, align 4")
    if count <= 0:
        return "zeroinitializer"
    given = f"ptr {at}, i32 4, <{t.lanes} x i1> {_mask(t, count)}, {t.vector} zeroinitializer"
    return w(f"call {t.vector} @llvm.masked.load.v{t.lanes}f32.p0({given})")


def _mask(t: Tile, count: int) -> str:
    return "<" + ", ".join(f"i1 {'true' if lane < count else 'false'}" for lane in range(t.lanes)) + ">"
