"""Owns the code of a product of matrices on the CPU: LLVM IR for fixed sizes, in tiles that fit registers and cache.

Knows nothing about tensors or graphs.

A tile of 6 rows and 16 columns of the result is held in registers while a panel of the right matrix, packed into 16
columns side by side, goes by. tinygrad's own code for the same sizes runs at a third to a tenth of the speed.

Source: Goto and van de Geijn 2008, Anatomy of high-performance matrix multiplication.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROWS, LANES, VECTORS = 6, 8, 2
COLUMNS = LANES * VECTORS
DEPTH = 256
"""How much of the inner axis is done at a time: a packed panel then fits into the first-level cache."""
BLOCKS = 20
"""Row tiles for which one panel is packed: their rows fit into the second-level cache."""
VECTOR = f"<{LANES} x float>"


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

    @property
    def name(self) -> str:
        """The kernel's name."""
        turned = ("t" if self.a_turned else "n") + ("t" if self.b_turned else "n")
        return f"product_{self.batch}_{self.rows}_{self.columns}_{self.depth}_{turned}_{self.parts}"


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
    w, p = write, product
    packed = w(f"alloca [{DEPTH * COLUMNS} x float], align 64")
    number = w("zext i32 %part32 to i64") if p.parts > 1 else "0"
    tiles, panels = -(-p.rows // ROWS), -(-p.columns // COLUMNS)

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
                t1 = w.least(w.add(t0, BLOCKS), row_range[1])

                def panel(j: str, _: list[str]) -> list[str]:
                    j0 = w.mul(j, COLUMNS)
                    _pack(w, p, packed, b, k0, length, j0)

                    def tile(t: str, _: list[str]) -> list[str]:
                        i0 = w.mul(t, ROWS)
                        rest = p.rows % ROWS

                        def whole() -> None:
                            _tile(w, p, ROWS, packed, a, c, k0, length, i0, j0)

                        def partial() -> None:
                            _tile(w, p, rest, packed, a, c, k0, length, i0, j0)

                        if rest == 0:
                            whole()
                        elif p.rows < ROWS:
                            partial()
                        else:
                            w.either(w(f"icmp eq i64 {t}, {tiles - 1}"), partial, whole)
                        return []

                    w.loop(t0, t1, 1, tile)
                    return []

                w.loop(*column_range, 1, panel)
                return []

            w.loop(*row_range, BLOCKS, block)
            return []

        w.loop(0, p.depth, DEPTH, slab)
        return []

    w.loop(*batches, 1, one)
    w.say("ret void")
    declared = "\n".join((
        "declare i64 @llvm.umin.i64(i64, i64)",
        f"declare {VECTOR} @llvm.fmuladd.v{LANES}f32({VECTOR}, {VECTOR}, {VECTOR})",
        f"declare {VECTOR} @llvm.masked.load.v{LANES}f32.p0(ptr, i32, <{LANES} x i1>, {VECTOR})",
        f"declare void @llvm.masked.store.v{LANES}f32.p0({VECTOR}, ptr, i32, <{LANES} x i1>)",
    ))  # fmt: skip
    head = f"define {abi}void @{p.name}(ptr noalias %c, ptr noalias %a, ptr noalias %b{part}) {{\nentry:"
    return "\n".join([declared, head, *w.lines, "}", ""])


def _pack(w: _Writer, p: Product, packed: str, b: str, k0: str, length: str, j0: str) -> None:
    """Copy a panel of B to 16 columns side by side; columns beyond the last become zeros."""
    rest = p.columns % COLUMNS

    def row(k: str, _: list[str]) -> list[str]:
        to = w.at(packed, w.mul(k, COLUMNS))
        at = w.at(b, w.add(w.mul(w.add(k0, k), p.columns), j0))
        for v in range(VECTORS):
            value = w(f"load {VECTOR}, ptr {w.at(at, str(v * LANES))}, align 4")
            w.say(f"store {VECTOR} {value}, ptr {w.at(to, str(v * LANES))}, align 32")
        return []

    def edge_row(k: str, _: list[str]) -> list[str]:
        to = w.at(packed, w.mul(k, COLUMNS))
        at = w.at(b, w.add(w.mul(w.add(k0, k), p.columns), j0))
        for v in range(VECTORS):
            value = _masked_load(w, w.at(at, str(v * LANES)), rest - v * LANES)
            w.say(f"store {VECTOR} {value}, ptr {w.at(to, str(v * LANES))}, align 32")
        return []

    def column(count: int) -> None:
        for n in range(COLUMNS):
            if n >= count:

                def clear(k: str, _: list[str], n: int = n) -> list[str]:
                    w.say(f"store float 0.0, ptr {w.at(packed, w.add(w.mul(k, COLUMNS), n))}, align 4")
                    return []

                w.loop(0, length, 1, clear)
        bases = [w.at(b, w.add(w.mul(w.add(j0, n), p.depth), k0)) for n in range(count)]

        def copy(k: str, _: list[str]) -> list[str]:
            to = w.at(packed, w.mul(k, COLUMNS))
            for n, base in enumerate(bases):
                value = w(f"load float, ptr {w.at(base, k)}, align 4")
                w.say(f"store float {value}, ptr {w.at(to, str(n))}, align 4")
            return []

        w.loop(0, length, 1, copy)

    def whole() -> None:
        if p.b_turned:
            column(COLUMNS)
        else:
            w.loop(0, length, 1, row)

    def edge() -> None:
        if p.b_turned:
            column(rest)
        else:
            w.loop(0, length, 1, edge_row)

    if rest == 0:
        whole()
    elif p.columns < COLUMNS:
        edge()
    else:
        w.either(w(f"icmp eq i64 {j0}, {p.columns - rest}"), edge, whole)


def _tile(
    w: _Writer, p: Product, rows: int, packed: str, a: str, c: str, k0: str, length: str, i0: str, j0: str
) -> None:  # fmt: skip
    """Add a panel's share to one tile of C."""
    if p.a_turned:
        starts = [w.at(a, w.add(w.mul(k0, p.rows), i0, r)) for r in range(rows)]
    else:
        starts = [w.at(a, w.add(w.mul(w.add(i0, r), p.depth), k0)) for r in range(rows)]

    def step(k: str, sums: list[str]) -> list[str]:
        at = w.at(packed, w.mul(k, COLUMNS))
        right = [w(f"load {VECTOR}, ptr {w.at(at, str(v * LANES))}, align 32") for v in range(VECTORS)]
        offset = w.mul(k, p.rows) if p.a_turned else k
        following = []
        for r in range(rows):
            value = w(f"load float, ptr {w.at(starts[r], offset)}, align 4")
            single = w(f"insertelement {VECTOR} poison, float {value}, i64 0")
            zeros = f"<{LANES} x i32> zeroinitializer"
            every = w(f"shufflevector {VECTOR} {single}, {VECTOR} poison, {zeros}")
            for v in range(VECTORS):
                given = f"{VECTOR} {every}, {VECTOR} {right[v]}, {VECTOR} {sums[r * VECTORS + v]}"
                following.append(w(f"call {VECTOR} @llvm.fmuladd.v{LANES}f32({given})"))
        return following

    sums = w.loop(0, length, 1, step, [(VECTOR, "zeroinitializer")] * (rows * VECTORS))
    first = w(f"icmp eq i64 {k0}, 0")
    rest = p.columns % COLUMNS

    def put(count: int) -> None:
        for r in range(rows):
            at = w.at(c, w.add(w.mul(w.add(i0, r), p.columns), j0))
            for v in range(VECTORS):
                _add(w, w.at(at, str(v * LANES)), sums[r * VECTORS + v], first, count - v * LANES)

    if rest == 0:
        put(COLUMNS)
    elif p.columns < COLUMNS:
        put(rest)
    else:
        w.either(w(f"icmp eq i64 {j0}, {p.columns - rest}"), lambda: put(rest), lambda: put(COLUMNS))


def _add(w: _Writer, at: str, value: str, first: str, count: int) -> None:
    """Write numbers to C, or add them to what an earlier slab wrote."""
    if count <= 0:
        return

    def store(what: str) -> None:
        if count >= LANES:
            w.say(f"store {VECTOR} {what}, ptr {at}, align 4")
        else:
            given = f"{VECTOR} {what}, ptr {at}, i32 4, <{LANES} x i1> {_mask(count)}"
            w.say(f"call void @llvm.masked.store.v{LANES}f32.p0({given})")

    def more() -> None:
        old = w(f"load {VECTOR}, ptr {at}, align 4") if count >= LANES else _masked_load(w, at, count)
        store(w(f"fadd {VECTOR} {old}, {value}"))

    w.either(first, lambda: store(value), more)


def _masked_load(w: _Writer, at: str, count: int) -> str:
    given = f"ptr {at}, i32 4, <{LANES} x i1> {_mask(count)}, {VECTOR} zeroinitializer"
    return w(f"call {VECTOR} @llvm.masked.load.v{LANES}f32.p0({given})")


def _mask(count: int) -> str:
    return "<" + ", ".join(f"i1 {'true' if lane < count else 'false'}" for lane in range(LANES)) + ">"
