"""Owns how option values are written as code, and read from what was typed in a form.

Knows nothing about text or models; nothing that was typed is evaluated but as a literal.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from axon_nb.declaration import Declaration
from axon_nb.errors import OptionError, brief
from axon_nb.options import Option
from axon_nb.shapes import show

_LONGEST = 10_000
_BARE = re.compile(r"[A-Za-z_]\w*")


def write(value: Any, option: Option | None = None) -> str:
    """Write a value as it would stand in a call; what has no literal is refused.

    Raises:
        OptionError: the value is a function or an object.

    Example:
        >>> write((3, 3)), write("relu"), write(0.1 + 0.2), write(None)
        ('(3, 3)', '"relu"', '0.30000000000000004', 'None')
    """
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        parts = [write(part) for part in value]
        inner = ", ".join(parts) + ("," if len(parts) == 1 and isinstance(value, tuple) else "")
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    name = option.name if option else "the value"
    problem = f"{name} must be a number, text or a tuple of them to be written in the cell"
    raise OptionError(problem, got=brief(value), fix="write functions in the text itself")


def check(option: Option, value: Any, owner: str) -> Any:
    """Check a value for an option; what can be written is returned in its normal form.

    Raises:
        OptionError: it is out of range, of another kind, or has no literal.
    """
    parsed = option.parse(value, owner)
    write(parsed, option)
    return parsed


def typed(option: Option, text: Any, owner: str) -> Any:
    """Read what was typed in a form's field: a literal, a bare word, or numbers with commas between.

    Raises:
        OptionError: it is no value of the option.

    Example:
        >>> from axon_nb import conv, dense
        >>> typed(conv.declaration.option("kernel_size"), "3, 5", "conv"), typed(conv.declaration.option("padding"), "same", "conv")
        ((3, 5), 'same')
        >>> typed(dense.declaration.option("use_bias"), True, "dense")
        True
    """  # noqa: E501
    if not isinstance(text, str):
        return check(option, _tuples(text), owner)
    if len(text) > _LONGEST:
        problem = f"{option.name} is too long"
        raise OptionError(problem, where=owner)
    text = text.strip()
    if not text and option.optional:
        return None
    if option.type.control == "text" and option.type.__class__.__name__ == "Text":
        return check(option, text, owner)
    if text in option.type.choices:
        return check(option, text, owner)
    return check(option, literal(text), owner)


def literal(text: str) -> Any:
    """Read a literal; what is none is the text itself.

    Example:
        >>> literal("3"), literal("None, 1, 28"), literal("(batch, 4)"), literal("__import__('os')")
        (3, (None, 1, 28), ('batch', 4), "__import__('os')")
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    try:
        return _tuples(_read(tree, top=True))
    except ValueError:
        return text


def _read(node: ast.expr, *, top: bool = False) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return tuple(_read(part) for part in parts)
        case ast.Name(id=name) if not top:
            return name
    raise ValueError


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    """Write a value as a form shows it.

    Example:
        >>> shown((None, "time", 4)), shown("relu"), shown(0.5), shown(None)
        ('(None, time, 4)', 'relu', '0.5', '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple) and all(part is None or isinstance(part, int | str) for part in value):
        return show(value)
    try:
        return write(value)
    except OptionError:
        return str(getattr(value, "__name__", None) or brief(value, 60))


def literal_options(declaration: Declaration, call: ast.Call) -> dict[str, Any]:
    """Read the options of a call that are literals, without calling anything.

    Example:
        >>> from axon_nb import dense
        >>> literal_options(dense.declaration, ast.parse("dense(-1, use_bias=x)").body[0].value)
        {'units': -1}
    """
    places = [option.name for option in declaration.options if option.positional]
    given = dict(zip(places, call.args, strict=False)) | {one.arg: one.value for one in call.keywords if one.arg}
    found = {}
    for name, node in given.items():
        try:
            found[name] = _read(node, top=True)
        except ValueError:
            continue
    return found
