"""Owns code for Axon in Elixir: a model as a pipeline of ``Axon`` functions.

It is checked as text only. Layers whose meaning there is another (channels first, options) are written with Axon's own
options for it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from axon_nb.graph import Model, Node, leaves
from axon_nb.interop.code_kinds import policies_left_out, told
from axon_nb.interop.code_out import free
from axon_nb.interop.optional import InteropError
from axon_nb.serialize.code import targets

_ACTIVATIONS = frozenset(
    ["celu", "elu", "exp", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear", "log_sigmoid",
     "log_softmax", "log_sumexp", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign",
     "tanh"]
)  # fmt: skip


def _shape(shape: Any) -> str:
    return "{" + ", ".join(str(n) if isinstance(n, int) else "nil" for n in shape) + "}"


def _value(value: Any) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_pair, value)) + "]"
    return f":{value}" if isinstance(value, str) else repr(value)


def _pair(value: Any) -> str:
    return "{" + ", ".join(map(str, value)) + "}" if isinstance(value, tuple) else str(value)


def _window(node: Node, *names: str) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for name in names:
        value = node.options[name]
        if value not in (1, None):
            about[{"dilation": "kernel_dilation", "groups": "feature_group_size"}.get(name, name)] = value
    padding = node.options["padding"]
    steps = node.options["kernel_size"] if node.options["strides"] is None else node.options["strides"]
    if padding == "same" and steps != 1:
        raise _refused(node)  # Axon pads as if strides were 1
    if padding != "valid":
        about["padding"] = ((padding, padding),) * 2 if isinstance(padding, int) else padding
    return {**about, "channels": node.options["channels"]}


def _layer(node: Node) -> tuple[list[str], dict[str, Any]]:
    """Return what stands before the options, and the options."""
    o, op = node.options, node.op
    about: dict[str, Any] = {}
    if op in ("dense", "conv", "depthwise_conv", "conv_transpose") and not o["use_bias"]:
        about["use_bias"] = False
    if o.get("activation") is not None:
        if not isinstance(o["activation"], str) or o["activation"] not in _ACTIVATIONS:
            raise _refused(node)
        about["activation"] = o["activation"]
    match op:
        case "dense":
            return [str(o["units"])], about
        case "conv":
            size = {"kernel_size": o["kernel_size"]}
            return [str(o["units"])], {**size, **about, **_window(node, "strides", "dilation", "groups")}
        case "max_pool" | "avg_pool":
            steps = o["kernel_size"] if o["strides"] is None else o["strides"]
            return [], {"kernel_size": o["kernel_size"], **_window(node, "dilation"), "strides": steps}
        case "global_avg_pool" | "global_max_pool":
            return [], {"channels": o["channels"], **({"keep_axes": True} if o["keep_axes"] else {})}
        case "batch_norm":
            index = 1 if o["channels"] == "first" else -1
            return [], {"channel_index": index, "epsilon": o["epsilon"], "momentum": o["momentum"]}
        case "dropout":
            return [], {"rate": o["rate"]}
        case "embedding":
            return [str(o["vocab_size"]), str(o["units"])], {}
        case "reshape":
            shape = (o["shape"],) if isinstance(o["shape"], int) else o["shape"]
            return [_shape(("batch", *shape)).replace("nil", ":batch", 1)], {}
        case "flatten":
            return [], {}
    if op in _ACTIVATIONS and node.layer.declaration.shown(o) == ():
        return [], {}
    raise _refused(node)


def _refused(node: Node) -> InteropError:
    problem = f"there is no code for {node.op} with these options in Axon"
    return InteropError(problem, where=node.layer.name or node.op)


def elixir_code(model: Model, name: str | None) -> str:
    """Write a model as Elixir's Axon has it."""
    uses = Counter(parent for node in model.nodes for parent in node.parents)
    uses.update(leaves(model.outputs))
    taken: set[str] = set()
    text: dict[Node, str] = {}
    lines: list[str] = []
    for node in model.nodes:
        text[node] = _expression(model, node, text)
        if uses[node] > 1:
            variable = free(model.names[node].lower(), taken)
            lines.append(f"{variable} =\n  {_indent(text[node])}\n")
            text[node] = variable
    ends = [text[node] for node in leaves(model.outputs)]
    result = ends[0] if len(ends) == 1 else "Axon.container({" + ", ".join(ends) + "})"
    variable = free((name or model.name or "model").lower(), taken)
    notes = told(model, "elixir", policies_left_out(model))
    return "\n".join([*notes, *lines, f"{variable} =\n  {_indent(result)}"]) + "\n"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _expression(model: Model, node: Node, text: dict[Node, str]) -> str:
    if node.is_input and not node.parents:
        shape = f", shape: {_shape(node.options['shape'])}" if node.options["shape"] else ""
        return f'Axon.input("{model.names[node]}"{shape})'
    given = [text[parent] for parent in node.parents]
    if node.is_input:
        return given[0]
    named = {"name": f'"{node.layer.name}"'} if node.layer.name else {}
    if node.op in ("add", "subtract", "multiply", "concatenate"):
        about = {"axis": str(node.options["axis"])} if node.options.get("axis", -1) != -1 else {}
        more = "".join(f", {key}: {value}" for key, value in {**about, **named}.items())
        return f"Axon.{node.op}([{', '.join(given)}]{more})"
    before, options = _layer(node)
    written = [*before, *(f"{key}: {_value(value)}" for key, value in options.items())]
    written += [f"{key}: {value}" for key, value in named.items()]
    return f"{given[0]}\n|> Axon.{node.op}({', '.join(written)})"


targets.add("elixir", elixir_code)
