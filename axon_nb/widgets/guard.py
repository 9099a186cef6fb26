"""Owns what text that comes from a page may hold: calls of declared layers, names, literals, pipes, and no more.

A page can be made to send anything, so its text is read before it is run. What the user wrote in a cell of their own
is theirs: fragments of it that are more than that may stand in the page's text too, word for word.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from axon_nb.caret import span_of
from axon_nb.errors import AxonError, point, unknown
from axon_nb.layer import Layer, LayerType
from axon_nb.widgets.document import Document, EditError

_LITERALS = (bool, int, float, str, type(None))
_LONGEST = 200_000


class RefusedError(EditError):
    """A message from a page that asks for more than the widgets do."""


@dataclass
class Guard:
    """Knows what may be called, and what the user wrote."""

    layers: Mapping[str, object]
    names: Mapping[str, object]
    """The user's variables."""
    _fragments: set[str] = field(default_factory=set)
    _statements: set[str] = field(default_factory=set)
    _inputs: frozenset[str] = frozenset()

    def trust(self, document: Document) -> None:
        """Remember what a text of the user's own holds beyond what a page may write."""
        reader = _Reader(self, document, on_foreign=self._remember)
        for statement in document.cell.tree.body:
            self._statements.add(ast.dump(statement))
        reader.read()

    def _remember(self, node: ast.AST, problem: AxonError) -> None:
        self._fragments.add(ast.dump(node))
        self._inputs |= {
            one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)
        }

    def check(self, document: Document) -> None:
        """Refuse a text from a page that does more than join declared layers.

        Raises:
            RefusedError: it does; points at the place.
        """
        if len(document.text) > _LONGEST:
            problem = f"a model's text has at most {_LONGEST:,} characters"
            raise RefusedError(problem)
        _Reader(self, document, on_foreign=self._refuse).read()
        for statement in document.cell.tree.body:
            changed = {
                one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
            }
            taken = changed & self._inputs
            if taken and ast.dump(statement) not in self._statements:
                problem = f"{min(taken)!r} is used by Python code of the cell, and can only be changed there"
                raise point(RefusedError(problem), document.cell.lines, span_of(statement, document.cell.lines))

    def _refuse(self, node: ast.AST, problem: AxonError) -> None:
        if ast.dump(node) not in self._fragments:
            raise problem

    @property
    def is_plain(self) -> bool:
        """Whether no text of the user's had more than a page may write: then nothing of Python's need be in scope."""
        return not self._fragments


Foreign = Callable[[ast.AST, AxonError], None]


class _Reader:
    """Walks a text once, and hands what is more than a page may write to a function."""

    def __init__(self, guard: Guard, document: Document, *, on_foreign: Foreign) -> None:
        self.guard, self.document, self.on_foreign = guard, document, on_foreign
        self.made = {name for name, _ in document.cell.inputs}
        self.own = set(self.made)
        self.long: set[str] = set()

    def read(self) -> None:
        for statement in self.document.cell.tree.body:
            match statement:
                case ast.Expr(value=value):
                    self._expression(value)
                case ast.Assign(targets=targets, value=value) if all(map(_is_target, targets)):
                    self._expression(value)
                    for name in (one.id for t in targets for one in ast.walk(t) if isinstance(one, ast.Name)):
                        self.own.add(name)
                        is_layer = self._makes_layer(value)
                        (self.made.add if is_layer else self.made.discard)(name)
                        (self.long.add if not is_layer and self._is_long(value) else self.long.discard)(name)
                case _:
                    self._foreign(statement, f"a {type(statement).__name__} statement is Python code, not a model")
                    self.own |= {getattr(statement, "name", "")} - {""}

    def _foreign(self, node: ast.stmt | ast.expr, problem: str) -> None:
        error = RefusedError(problem, fix="write it in a %%axon cell of your own, and open the builder there")
        self.on_foreign(node, point(error, self.document.cell.lines, span_of(node, self.document.cell.lines)))

    def _makes_layer(self, node: ast.expr) -> bool:
        """Whether a value is a layer or a model for sure: only those may be called by name."""
        match node:
            case ast.Call():
                return True  # of a layer: all else was refused
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return self._makes_layer(left) or self._makes_layer(right)
            case ast.BinOp(left=left, right=right):
                return self._makes_layer(left) and self._makes_layer(right)
            case ast.Name(id=name):
                return name in self.made or (name not in self.own and self._is_layer(name))
        return False

    def _is_layer(self, name: str) -> bool:
        value = self.guard.names.get(name, self.guard.layers.get(name))
        return isinstance(value, LayerType | Layer) or name in self.guard.layers or hasattr(value, "__axon_apply__")

    def _is_long(self, node: ast.expr) -> bool:
        """Whether it could be repeated into something huge: text and lists."""
        match node:
            case ast.List() | ast.Tuple() | ast.Constant(value=str()):
                return True
            case ast.Name(id=name):
                known = self.guard.names.get(name) if name not in self.own else None
                return name in self.long or isinstance(known, str | list | tuple)
        return False

    def _expression(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=value):
                if not isinstance(value, _LITERALS):
                    self._foreign(node, f"{type(value).__name__} is no value of an option")
            case ast.Name(id=name):
                self._name(node, name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                self._all(parts)
            case ast.Dict(keys=keys, values=values) if all(isinstance(key, ast.Constant) for key in keys):
                self._all(values)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand) if isinstance(operand, ast.Constant):
                self._expression(operand)
            case ast.BinOp(op=ast.BitOr() | ast.Add() | ast.Sub() | ast.Mult(), left=left, right=right):
                if not isinstance(node.op, ast.BitOr) and (self._is_long(left) or self._is_long(right)):
                    self._foreign(node, "only layers, models and numbers are added and multiplied")
                else:
                    self._all([left, right])
            case ast.Subscript(value=value, slice=ast.Constant(value=int() | str())):
                self._expression(value)
            case ast.Call():
                self._call(node)
            case _:
                self._foreign(node, "this is Python code, not a layer, a name or a literal")

    def _all(self, nodes: list[ast.expr]) -> None:
        for node in nodes:
            self._expression(node)

    def _name(self, node: ast.expr, name: str) -> None:
        if name in self.own:
            return
        if name in self.guard.names:
            if not (self._is_layer(name) or _is_literal(self.guard.names[name])):
                self._foreign(node, f"{name!r} is neither a layer nor a plain value")
        elif name not in self.guard.layers:
            problem = unknown("layer or name", name, [*self.guard.layers, *self.own], error=RefusedError)
            self.on_foreign(node, point(problem, self.document.cell.lines, span_of(node, self.document.cell.lines)))

    def _call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name(id=name) if name in self.made or (name not in self.own and self._is_layer(name)):
                pass
            case ast.Name(id=name) if name not in self.own and name not in self.guard.names:
                return self._name(node.func, name)
            case ast.Call():
                self._call(node.func)
            case _:
                return self._foreign(node, "only layers and models can be called")
        if any(one.arg is None for one in node.keywords) or any(isinstance(one, ast.Starred) for one in node.args):
            return self._foreign(node, "options are written one by one")
        self._all([*node.args, *(one.value for one in node.keywords)])
        return None


def _is_target(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_is_target, node.elts))
    return isinstance(node, ast.Name) and not node.id.startswith("__")


def _is_literal(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_literal, value))
    return isinstance(value, _LITERALS)
