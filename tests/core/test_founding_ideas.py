"""The ideas the project began with, a test for each; and graphs that are deep or wide."""

import numpy as np
import pytest
from tinygrad import Tensor, nn

import axon_nb as ax
from axon_nb.errors import ShapeError

X = ax.input((None, 4), name="x")
BATCH = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def test_a_recursive_or_wrapped_graph():
    def nested(x, depth):
        return x if depth == 0 else nested(x | ax.residual(ax.dense(4)), depth - 1)

    inner = nested(X, 3)
    wrapped = ax.input((None, 4)) | inner | inner
    assert inner.init().count == 60
    assert wrapped.init().count == 60
    assert wrapped.output_shape == (None, 4)


def test_partial_and_concrete_shapes():
    model = ax.input((None, 3, "height", 8), name="image") | ax.conv(2, 3) | ax.flatten()
    assert model.compute_output_shape(image=(5, 3, 10, 8)) == (5, 96)
    assert model.output_shape[0] is None
    with pytest.raises(ShapeError, match="the shape of its kernel depends on a size that is not known: 'height'"):
        (model | ax.dense(2)).init()


def test_a_named_batch_dim_is_one_size_everywhere():
    left, right = ax.input(("batch", 4), name="left"), ax.input(("batch", 2), name="right")
    model = ax.concatenate(left, right)
    assert model.output_shape == ("batch", 6)
    assert model.compute_output_shape(left=(3, 4)) == (3, 6)
    with pytest.raises(ShapeError, match="dim 'batch' is 5 here and 3 in input 'left'"):
        model.compute_output_shape(left=(3, 4), right=(5, 2))


def test_a_plug_is_a_function_or_a_module_also_with_state():
    class Counter:
        def init(self, by):
            return {"by": Tensor([float(by)]), "seen": Tensor([0.0]).is_param_(False)}

        def call(self, x, state):
            return x * state["by"], {**state, "seen": state["seen"] + 1}

    model = X | ax.plug(lambda x, by: x + by, 1.0) | ax.plug(Counter, 2.0)
    y, after = model.apply(model.init(), BATCH)
    np.testing.assert_allclose(y.numpy(), (BATCH + 1) * 2, rtol=1e-6)
    assert after.state.flat["Counter_0.seen"].item() == 1


def test_init_and_predict_are_pure_functions():
    init, predict = ax.build(X | ax.dense(2) | ax.dropout(0.5))
    params = init(3)
    assert params == init(3)
    np.testing.assert_array_equal(predict(params, BATCH), predict(params, BATCH))
    assert params == init(3)


def test_training_and_inference_are_modes():
    _, predict = ax.build(X | ax.dropout(0.5))
    params = (X | ax.dropout(0.5)).init()
    np.testing.assert_array_equal(predict(params, BATCH), BATCH)
    _, step = ax.build(X | ax.dropout(0.5), mode="train")
    assert (step(params, BATCH, 1)[0].numpy() == 0).any()


def test_variables_are_not_updated_at_inference():
    model = X | ax.batch_norm()
    params = model.init()
    _, kept = model.apply(params, BATCH, mode="inference")
    _, moved = model.apply(params, BATCH, mode="train")
    assert kept == params
    assert moved != params


def test_high_level_information_is_kept_for_export():
    model = X | ax.dense(8, "relu") | ax.layer_norm(epsilon=1e-6)
    assert [(node.op, dict(node.layer.declaration.shown(node.options))) for node in model.nodes[1:]] == [
        ("dense", {"units": 8, "activation": "relu"}), ("layer_norm", {"epsilon": 1e-6}),
    ]  # fmt: skip
    assert ax.from_json(model.to_json()).equals(model)


def test_regular_functions_stand_anywhere():
    model = X | (lambda x: x * 2) | ax.residual(lambda x: x + 1) | Tensor.relu | ax.dense(2, lambda x: x.clip(0, 1))
    assert model.output_shape == (None, 2)
    assert model.predict(model.init(), BATCH).shape == (6, 2)


def test_models_are_composed_of_models():
    generator = ax.input((None, 8)) | ax.dense(4, "tanh")
    discriminator = X | ax.dense(1, "sigmoid")
    gan = ax.compose(generator=generator, discriminator=discriminator)
    assert {name.split(".")[0] for name in gan.params} == {"generator", "discriminator"}
    assert {*generator.layers} < {*gan.layers}


def test_several_inputs_and_outputs_with_shared_parts():
    encoder = ax.dense(4, "relu")
    left, right = X | encoder, ax.input((None, 4), name="y") | encoder
    model = ax.outputs(same=ax.add(left, right) | ax.dense(1), each=(left, right))
    assert model.init().count == 20 + 5
    found = model.predict(model.init(), {"x": BATCH, "y": BATCH})
    np.testing.assert_array_equal(*found["each"])


def test_resnet_is_built_of_def_blocks():
    def block(channels, strides=1):
        body = ax.conv(channels, 3, strides, "same", use_bias=False) | ax.batch_norm() | ax.relu()
        body = body | ax.conv(channels, 3, padding="same", use_bias=False) | ax.batch_norm()
        return ax.residual(body, shortcut=ax.conv(channels, 1, strides) if strides > 1 else None) | ax.relu()

    def stage(name, channels, count, strides):
        return ax.block(name, block(channels, strides), *(block(channels) for _ in range(count - 1)))

    resnet = (
        ax.input((None, 3, 32, 32)) | ax.conv(16, 3, padding="same") | stage("first", 16, 2, 1)
        | stage("second", 32, 2, 2) | ax.global_avg_pool() | ax.dense(10)
    )  # fmt: skip
    assert resnet.output_shape == (None, 10)
    assert "second.batch_norm_3.mean" in resnet.params


@ax.model
def classifier(image, classes=3):
    return image | ax.dense(8, "relu") | ax.dense(classes)


def test_model_functions_need_no_input_calls():
    assert classifier.compute_output_shape(image=(None, 4)) == (None, 3)
    assert (X | classifier(classes=5)).output_shape == (None, 5)


def test_combinators_as_in_thinc():
    model = X | ax.chain(ax.clone(ax.dense(4), 2), ax.residual(ax.dense(4))) | ax.tuplify(ax.dense(2), ax.noop())
    assert model.output_shape == ((None, 2), (None, 4))
    pair = (X, ax.input((None, 4))) | ax.siamese(ax.dense(2), ax.concatenate())
    assert pair.output_shape == (None, 4)


def test_modules_as_in_pytorch_are_layers():
    class Net:
        def __init__(self):
            self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 1)

        def __call__(self, x):
            return self.second(self.first(x).relu())

    model = X | Net()
    trained = model.fit((BATCH, BATCH.sum(1, keepdims=True)), loss="mean_squared_error", epochs=4)
    assert trained.history["loss"][-1] < trained.history["loss"][0]


NORM = {
    "first": lambda h, norm: ax.add(h, h | norm),
    "last": lambda h, norm: ax.add(h | norm, h),
    "both sides": lambda h, norm: ax.add(h | norm | ax.relu(), h | ax.dense(4) | ax.dense(4)),
    "residual": lambda h, norm: h | ax.residual(norm),
    "block": lambda h, norm: h | ax.block("part", norm, ax.relu()),
    "part": lambda h, norm: h | (ax.input((None, 4)) | norm | ax.relu()),
    "unused twin": lambda h, norm: ax.concatenate(h, h | norm, h),
    "layer of layers": lambda h, norm: h | ax.layer(lambda scope, x: scope.apply(norm, x), name="outer")(),
}


@pytest.mark.parametrize("way", NORM)
def test_the_state_of_a_batch_norm_on_any_branch_moves_once_a_step(way):
    model = NORM[way](X | ax.dense(4), ax.batch_norm(momentum=0.5))
    params = model.init()
    _, after = model.apply(params, BATCH)
    state = {name: tensor.numpy() for name, tensor in after.state.flat.items() if name.endswith("mean")}
    (mean,) = state.values()
    first = next(tensor for name, tensor in params.flat.items() if name.endswith("dense_0.kernel"))
    hidden = BATCH @ first.numpy()
    np.testing.assert_allclose(mean, 0.5 * hidden.mean(0), atol=1e-6)


def test_dropout_inside_a_block_trains():
    model = X | ax.block("outer", ax.block("inner", ax.dropout(0.5)), ax.relu()) | ax.noop()
    ones = np.ones((8, 4), "float32")
    y, _ = model.apply(model.init(), ones, seed=1)
    assert {*np.unique(y.numpy())} == {0.0, 2.0}
    np.testing.assert_array_equal(model.predict(model.init(), ones), ones)


def test_a_chain_of_a_thousand_layers():
    model = X
    for _ in range(1000):
        model = model | ax.relu()
    assert model.output_shape == (None, 4)
    assert len(model.nodes) == 1001
    assert "... 996 more ..." in repr(model)
    assert "relu_999" in str(model.table())
    assert (X | ax.chain(*[ax.relu() for _ in range(1000)])).output_shape == (None, 4)
    assert ax.clone(model).output_shape == (None, 4)


def test_a_graph_with_three_hundred_branches():
    base = X | ax.dense(4)
    model = ax.add(*(base | ax.dense(2) for _ in range(300)))
    assert model.output_shape == (None, 2)
    assert model.init().count == 20 + 300 * 10
    assert "dense_300" in str(model.table())
    assert repr(model)
