"""What every registered layer must do. A new layer is tested by being declared: its docstring's example builds it."""

import ast
import contextlib
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tinygrad import Context, Tensor

import axon_nb as ax
from axon_nb import options
from axon_nb.errors import OptionError, ShapeError
from axon_nb.forward import Values, forward
from axon_nb.interop.node import Plain
from axon_nb.layer import LayerType, as_layer, registry
from axon_nb.magic.complete import offer_in_cell
from axon_nb.trace import trace
from axon_nb.widgets.builder_page import make_skin
from axon_nb.widgets.forms import kind, palette, values

LAYERS = {name: thing for name, thing in registry.items() if isinstance(thing, LayerType) and name != "onnx_scan"}
"""All but the one that has no meaning without a graph from a file."""

each_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture(autouse=True)
def _plain_kernels():
    """Leave out tinygrad's optimisation of kernels, which takes most of the time here; other tests run with it."""
    with Context(NOOPT=1):
        yield


OUT_OF_BOUNDS = {
    options.Whole: lambda kind: ["three", 1.5, True, *([kind.minimum - 1] if kind.minimum is not None else [])],
    options.Real: lambda kind: ["half", float("nan"), float("inf"), *_outside(kind)],
    options.Flag: lambda kind: [1, "yes", None],
    options.Choice: lambda kind: ["none of them", 3],
    options.Size: lambda kind: [kind.minimum - 1, (), (3, kind.minimum - 1), "3", 1.5],
    options.Paddings: lambda kind: [-1, "some", (1, 2), [(1,)], [(1, -1)], True],
    options.Sizes: lambda kind: [0, (-1, -1), (2, 0), "3", (1.5,)],
    options.Axes: lambda kind: ["last", 1.5, ()],
    options.Text: lambda kind: [3, None],
    Plain: lambda kind: [object(), {1, 2}],
    options.Margins: lambda kind: ["some", 1.5, [(1,)], [], True],
    options.Numbers: lambda kind: ["one", float("nan"), [], [(1, 2), (3,)]],
    options.Named: lambda kind: ["none of them", 3],
    options.Drawn: lambda kind: ["none of them", float("nan"), (1, 2)],
}
"""Values that each kind of option refuses."""


def _outside(kind):
    bounds = ((kind.minimum, -1), (kind.maximum, 1), (kind.below, 0), (kind.above, 0))
    return [bound + step for bound, step in bounds if bound is not None]


def required(declaration):
    return {o.name: o.type.example for o in declaration.options if o.required}


def example_of(name):
    """Return the model that the layer's docstring builds; of a docstring without one, the layer on a plain input."""
    names = dict(registry)
    examples = doctest.DocTestParser().get_examples(LAYERS[name].__doc__)
    for example in examples if "input(" in LAYERS[name].__doc__ else ():  # else it shows the pure function
        tree = ast.parse(example.source)
        if not isinstance(tree.body[0], ast.Expr):
            exec(example.source, names)
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call | ast.BinOp):
                with contextlib.suppress(NameError):  # a part of a comprehension
                    value = eval(compile(ast.Expression(node), name, "eval"), names)
                    if isinstance(value, ax.Model) and any(one.op == name for one in value.nodes):
                        return value
    plain = ax.input((None, 3, 6), name="x")
    made = LAYERS[name](**required(LAYERS[name].declaration))
    return (plain, plain) | made if len(LAYERS[name].declaration.inputs) > 1 else plain | made


def op_of(model, name):
    return next(node for node in model.nodes if node.op == name)


def concrete(model, batch):
    """Put numbers for the sizes that are not known."""
    return {
        model.names[node]: (batch, *(d if isinstance(d, int) else 6 for d in node.options["shape"][1:]))
        for node in model.inputs
    }


def run(model, shapes, *, training):
    """Return the inputs, the weights and the output, as tensors not computed yet."""
    rng = np.random.default_rng(0)
    inputs = {
        node: Tensor(_numbers(rng, shapes[model.names[node]], node.options["dtype"]), device="CPU")
        for node in model.inputs
    }
    params = model.init(seed=0, **shapes)
    values = Values({path: leaf.tensor for path, leaf in params.leaves.items()}, device="CPU")
    return inputs, params, forward(model, values, inputs, training=training)


def _numbers(rng, shape, dtype):
    return rng.integers(0, 5, shape).astype(dtype) if "int" in dtype else rng.normal(size=shape).astype(dtype)


def fits(planned, shape):
    return len(planned) == len(shape) and all(
        p == s or not isinstance(p, int) for p, s in zip(planned, shape, strict=True)
    )


@each_layer
def test_the_planned_shape_is_the_executed_one(name):
    model = example_of(name)
    for batch, training in ((1, False), (3, True), (3, False), (1, True)):
        shapes = concrete(model, batch)
        _, _, y = run(model, shapes, training=training)
        assert y.shape == model.compute_output_shape(**shapes)
        assert fits(model.output_shape, y.shape)
        if batch == 1:
            assert y.numpy().shape == y.shape


@each_layer
def test_the_batch_may_be_unknown_or_named(name):
    model = example_of(name)
    shapes = concrete(model, 4)
    known = model.compute_output_shape(**shapes)
    for batch in (None, "batch"):
        given = {key: (batch, *shape[1:]) for key, shape in shapes.items()}
        assert model.compute_output_shape(**given) == (batch, *known[1:])


MAY_NOT_BE_UNKNOWN = re.compile(
    r"the shape of its \w+ depends on a size that is not known: 'open'"
    r"|does not divide|needs an even number of features|^each sample has|takes .* channels"
)
"""Why the size of an axis must be known: weights are as large as it is, or it is cut into parts."""


@each_layer
def test_any_size_may_be_unknown_that_no_weight_depends_on(name):
    model = example_of(name)
    op = op_of(model, name)
    known = trace(model, concrete(model, 4)).nodes
    shapes, dtypes = ([getattr(known[one], what) for one in op.parents if one] for what in ("shape", "dtype"))

    def applied(axis, size):
        if not shapes:
            return op.layer.declaration and model
        sizes = [
            s if axis >= len(s) or s[axis] != shapes[0][axis] else (*s[:axis], size, *s[axis + 1 :]) for s in shapes
        ]
        inputs = [ax.input((None, *s[1:]), dtype=dtype) for s, dtype in zip(sizes, dtypes, strict=True)]
        return tuple(inputs) | op.layer if len(inputs) > 1 else inputs[0] | op.layer

    for axis in range(1, len(shapes[0]) if shapes else 1):
        planned = applied(axis, "open")
        refusal = refusal_of(planned)
        if refusal is not None:
            assert MAY_NOT_BE_UNKNOWN.search(refusal.problem), f"axis {axis}: {refusal}"
            continue
        for times in (1, 2, 4):
            run = applied(axis, shapes[0][axis] * times)
            if refusal_of(run) is None:
                assert fits(planned.output_shape, run.output_shape)


@each_layer
def test_inference_draws_nothing_at_random(name):
    """For any seed the same graph comes out, or (where a buffer is new each time) the same numbers; states stay."""
    model = example_of(name)
    shapes = concrete(model, 2)
    inputs, params, _ = run(model, shapes, training=False)
    tensors = {path: leaf.tensor for path, leaf in params.leaves.items()}
    runs = [Values(tensors, seed=seed, device="CPU") for seed in (1, 2)]
    first, second = (forward(model, values, inputs, training=False) for values in runs)
    for a, b in zip(parts(first), parts(second), strict=True):
        assert a.uop is b.uop or np.array_equal(a.numpy(), b.numpy())
    assert not any(values.updates for values in runs)


def parts(made):
    return made if isinstance(made, tuple) else (made,)


def test_training_is_told_from_inference():
    """That the test above could fail: a dropout draws by its seed, and batch norm moves its running values."""
    model = ax.input((None, 3, 4)) | ax.dropout() | ax.batch_norm()
    inputs, params, _ = run(model, concrete(model, 2), training=True)
    tensors = {path: leaf.tensor for path, leaf in params.leaves.items()}
    runs = [Values(tensors, seed=seed, device="CPU") for seed in (1, 2)]
    first, second = (forward(model, values, inputs, training=True) for values in runs)
    assert first.uop is not second.uop
    assert all(values.updates for values in runs)


@each_layer
def test_gradients_are_finite(name):
    model = example_of(name)
    inputs, params, y = run(model, concrete(model, 2), training=True)
    towards = [x for x in inputs.values() if x.is_floating_point()]
    towards += [leaf.tensor for leaf in params.leaves.values() if leaf.kind == "trainable"]
    gradients = (y * Tensor.arange(y.numel()).reshape(y.shape)).sum().gradient(*towards) if towards else []
    assert [g.shape for g in gradients] == [t.shape for t in towards]
    assert all(np.isfinite(g.numpy()).all() for g in gradients)
    assert all(np.abs(g.numpy()).max() > 0 for g in gradients[-1:])


@each_layer
def test_the_same_seed_gives_the_same_numbers(name):
    model = example_of(name)
    shapes = concrete(model, 2)
    params = model.init(seed=3, **shapes)
    assert params == model.init(seed=3, **shapes)
    rng = np.random.default_rng(0)
    x = {
        n.layer.name or model.names[n]: _numbers(rng, shapes[model.names[n]], n.options["dtype"]) for n in model.inputs
    }
    (first, after), (second, again) = (model.apply(params, x, mode="train", seed=5) for _ in range(2))
    assert np.array_equal(first.numpy(), second.numpy())
    assert after == again


@each_layer
def test_docs_say_what_it_does_its_shapes_and_give_an_example(name):
    summary, *rest = LAYERS[name].__doc__.splitlines()
    assert summary.endswith((".", ").")), "the summary is one sentence"
    assert len(summary) <= 120
    assert not rest or not rest[0].strip()
    assert "Shapes:" in LAYERS[name].__doc__
    assert "Example:" in LAYERS[name].__doc__
    assert "Source:" in LAYERS[name].__doc__ or LAYERS[name].declaration.family == "onnx"
    for option in LAYERS[name].declaration.options:
        assert option.type.help, f"{option.name} needs a help text"
        assert option.type.example is not None, f"{option.name} needs an example"
        assert option.parse(option.type.example, name) is not None


@each_layer
def test_an_unknown_option_is_an_error_with_the_nearest_name(name):
    for option in LAYERS[name].declaration.options:
        with pytest.raises(
            OptionError, match=rf"there is no {name} option '{option.name}s'\n  fix: did you mean .*'{option.name}'"
        ):
            LAYERS[name](**{f"{option.name}s": option.type.example})
    with pytest.raises(OptionError, match=f"there is no {name} option 'zzz'"):
        LAYERS[name](zzz=1)


@each_layer
def test_an_option_out_of_its_bounds_is_an_error_that_names_it(name):
    declaration = LAYERS[name].declaration
    for option in declaration.options:
        for value in OUT_OF_BOUNDS[type(option.type)](option.type):
            if value is None and option.optional:
                continue
            with pytest.raises(OptionError, match=rf"^{name}: {option.name}[: ]"):
                LAYERS[name](**{**required(declaration), option.name: value})


@each_layer
def test_a_wrong_rank_is_an_error_that_names_the_layer(name):
    model = example_of(name)
    count = len(op_of(model, name).parents) or 1
    dtype = model.inputs[0].options["dtype"]
    for rank in range(1, 8):
        inputs = tuple(ax.input((None, *([4] * (rank - 1))), dtype=dtype) for _ in range(count))
        layer = op_of(model, name).layer
        built = inputs | layer if count > 1 else inputs[0] | layer
        refusal = refusal_of(built)
        if refusal is not None:
            assert refusal.where.startswith(f"{name} '")
            assert refusal.__cause__ is None, f"rank {rank}: said by tinygrad, not by us: {refusal}"


def refusal_of(model):
    try:
        _ = model.output_shape
    except ShapeError as error:
        return error
    return None


@each_layer
def test_its_repr_is_the_code_that_makes_it(name):
    made = LAYERS[name](**required(LAYERS[name].declaration), name="mine")
    variants = [made]
    for option in LAYERS[name].declaration.options:
        changed = as_layer(LAYERS[name](**{**required(LAYERS[name].declaration), option.name: option.type.example}))
        variants.append(changed)
        if changed.options[option.name] != option.default and not option.required:
            assert f"{option.name}={option.type.example!r}" in repr(changed) or option.positional
    for one in map(as_layer, variants):  # a constant by itself is a model, and a layer among layers
        again = as_layer(eval(repr(one), dict(registry)))
        assert repr(again) == repr(one)
        assert again.options == one.options
        assert again.name == one.name


def test_out_of_bounds_values_are_known_for_every_kind_of_option():
    kinds = {type(option.type) for layer in LAYERS.values() for option in layer.declaration.options}
    assert kinds <= set(OUT_OF_BOUNDS)


@each_layer
@pytest.mark.filterwarnings("ignore:code of your own")
def test_it_comes_back_from_json(name):
    model = example_of(name)
    functions = {model.names[node]: node.layer.declaration.function for node in model.nodes if node.op == "function"}
    assert ax.from_json(model.to_json(), custom=functions).equals(model)


@each_layer
def test_it_comes_back_from_code(name):
    model = example_of(name)
    names = {model.names[node].replace(".", "_"): node for node in model.nodes if node.op == "function"}
    user = {name: node.layer.declaration.function for name, node in names.items()}
    exec(model.code("made", python=True), user)
    assert user["made"].equals(model)


@each_layer
def test_what_it_computes_is_a_pure_function_of_that_name(name):
    made = LAYERS[name]
    if made.declaration.family != "onnx" and str(made.__module__).startswith("axon_nb."):  # not the operators of files
        assert callable(getattr(ax.functional, name))
        assert name in ax.functional.__all__


def _offered(text):
    return [word for word, _ in offer_in_cell(text, registry, {}).words]


NEW_LAYER = '''
from axon_nb.options import Slope

@layer(family="activation")
def tripled(x: Tensor, times: Slope = 3.0) -> Tensor:
    """Multiply by a number.

    Shapes:
        any -> the same

    Source: https://en.wikipedia.org/wiki/Multiplication

    Example:
        >>> (input((None, 4)) | tripled()).output_shape
        (None, 4)
    """
    return x * times
'''


def test_a_layer_that_is_declared_is_known_everywhere_with_no_other_edit():
    family = Path(ax.__file__).parent / "layers" / "activation.py"  # as if it stood in that file
    try:
        exec(compile(NEW_LAYER, str(family), "exec"), {"layer": ax.layer, "Tensor": Tensor})
        made = LAYERS["tripled"] = registry["tripled"]
        assert isinstance(made, LayerType)
        assert [option.name for option in made.declaration.options] == ["times"]
        test_the_planned_shape_is_the_executed_one("tripled")
        test_the_batch_may_be_unknown_or_named("tripled")
        test_an_unknown_option_is_an_error_with_the_nearest_name("tripled")
        test_its_repr_is_the_code_that_makes_it("tripled")
        test_it_comes_back_from_json("tripled")
        assert "tripled" in _offered("%%axon m\ninput() | tri")
        assert "times=" in _offered("%%axon m\ninput() | tripled(")
        assert "tripled" in [layer["name"] for family in palette(registry.items()) for layer in family["layers"]]
        builder = ax.Builder(ax.input((None, 4)) | made(2.0))
        builder.select("tripled_0")
        node = builder.model.find("tripled_0")
        fields = [field["name"] for field in kind(node.layer.declaration)["fields"]]
        assert dict(zip(fields, values(node.layer.declaration, node.options), strict=True)) == {"times": "2.0"}
        assert "tripled" in str(make_skin(builder).state()["kinds"])
        builder.set("tripled_0", times=5.0)
        assert builder.model.find("tripled_0").options == {"times": 5.0}
    finally:
        LAYERS.pop("tripled", None)
        registry._things.pop("tripled", None)


def test_a_layer_declared_in_a_test_file_is_in_the_contract(tmp_path):
    """As a file of tests that declares a layer: pytest then finds it among those that each test is run for."""
    family = Path(ax.__file__).parent / "layers" / "activation.py"  # as if it stood in that file
    (tmp_path / "declares.py").write_text(
        "import axon_nb as ax\nfrom axon_nb import Tensor\n"
        f"exec(compile({NEW_LAYER!r}, {str(family)!r}, 'exec'), {{'layer': ax.layer, 'Tensor': Tensor}})\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "declares", __file__, "-k", "[tripled]"]
    path = [str(tmp_path), *sys.path]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONPATH": os.pathsep.join(path)}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    count = sum("each_layer" in str(line) for line in Path(__file__).read_text().splitlines() if line[0:1] == "@")
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.search(rf"^{count} passed", done.stdout, re.MULTILINE), done.stdout[-2000:]
