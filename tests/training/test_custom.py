"""Steps of one's own: adversarial networks, autoencoders, metric learning; each learns something."""

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb import Loop, optimizers
from axon_nb.errors import AxonError, OptionError, TrainingError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1).astype("float32")
NET = ax.input((None, 3)) | ax.dense(1)
SGD = optimizers.sgd(learning_rate=0.1)


def test_a_step_by_hand_is_a_trainers_step():
    def step(scene, batch):
        x, y = batch
        loss = (scene.net(x) - y).square().mean()
        scene.minimize("net", loss)
        return {"loss": loss}

    start = NET.init()
    run = Loop.custom(step, {"net": NET}, SGD).run((X, LINE), epochs=3, batch_size=16, like={"net": start})
    trained = NET.fit((X, LINE), loss="mean_squared_error", optimizer=SGD, epochs=3, batch_size=16, like=start)
    for name, tensor in trained.params.flat.items():
        np.testing.assert_allclose(run["net"].params[name].numpy(), tensor.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run.history["loss"], trained.history["loss"], rtol=1e-5)
    assert run["net"].predict(X).shape == (40, 1)
    assert repr(run).startswith("<Run of net: 3 epochs, loss ")


def test_two_optimizers_in_one_step_are_pytorchs():
    torch = pytest.importorskip("torch")
    make = ax.input((None, 3)) | ax.dense(3)
    tell = ax.input((None, 3)) | ax.dense(1)

    def step(scene, real):
        fake = scene.make(real)
        told = (scene.tell(real) - 1).square().mean() + scene.tell(fake.detach()).square().mean()
        scene.minimize("tell", told)
        fooled = (scene.tell(fake) - 1).square().mean()  # by the weights just changed
        scene.minimize("make", fooled)
        return {"told": told, "fooled": fooled}

    loop = Loop.custom(step, {"make": make, "tell": tell}, {"make": SGD, "tell": optimizers.adam(0.01)})
    starts = {"make": make.init(seed=1), "tell": tell.init(seed=2)}
    run = loop.run([X[:16], X[16:32]], epochs=3, like=starts)

    w = {
        (m, n): torch.nn.Parameter(torch.tensor(starts[m][f"dense_0.{n}"].numpy()))
        for m in starts
        for n in ("kernel", "bias")
    }
    first = torch.optim.Adam([w["tell", "kernel"], w["tell", "bias"]], lr=0.01)
    second = torch.optim.SGD([w["make", "kernel"], w["make", "bias"]], lr=0.1)

    def apply(name, x):
        return x @ w[name, "kernel"] + w[name, "bias"]

    for _ in range(3):
        for real in (torch.tensor(X[:16]), torch.tensor(X[16:32])):
            fake = apply("make", real)
            first.zero_grad()
            ((apply("tell", real) - 1).square().mean() + apply("tell", fake.detach()).square().mean()).backward()
            first.step()
            second.zero_grad()
            (apply("tell", fake) - 1).square().mean().backward()
            second.step()
    for (model, name), parameter in w.items():
        found = run[model].params[f"dense_0.{name}"].numpy()
        np.testing.assert_allclose(found, parameter.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_an_adversarial_network_learns_where_the_data_is():
    real = (RNG.normal(size=(256, 2)) * 0.3 + np.array([2.0, -1.0])).astype("float32")
    make = ax.input((None, 4)) | ax.dense(16, "relu") | ax.dense(2)
    tell = ax.input((None, 2)) | ax.dense(16, "relu") | ax.dense(1)

    def step(scene, batch):
        fake = scene.make(scene.normal((batch.shape[0], 4)))
        told = scene.tell(batch).sigmoid().log().mean() + (1 - scene.tell(fake.detach()).sigmoid()).log().mean()
        scene.minimize("tell", -told)
        fooled = -scene.tell(fake).sigmoid().log().mean()
        scene.minimize("make", fooled)
        return {"told": told, "fooled": fooled}

    loop = Loop.custom(step, {"make": make, "tell": tell}, optimizers.adam(0.01, beta1=0.5))
    run = loop.run(real, epochs=40, batch_size=64)
    noise = RNG.normal(size=(500, 4)).astype("float32")
    start = make.predict(loop.recipe.start(None, None)["make"], noise)
    drawn = run["make"].predict(noise)
    assert np.abs(start.mean(0) - [2, -1]).max() > 1
    assert np.abs(drawn.mean(0) - [2, -1]).max() < 0.5


def test_a_variational_autoencoder_learns_to_rebuild():
    angle = RNG.uniform(0, 2 * np.pi, 256)
    circle = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], 1).astype("float32")
    x = ax.input((None, 4))
    body = x | ax.dense(32, "tanh")
    encode = ax.outputs(mean=body | ax.dense(2), spread=body | ax.dense(2))
    decode = ax.input((None, 2)) | ax.dense(32, "tanh") | ax.dense(4)

    def step(scene, batch):
        found = scene.encode(batch)
        mean, spread = found["mean"], found["spread"]
        hidden = mean + (spread / 2).exp() * scene.normal(mean.shape)
        rebuilt = (scene.decode(hidden) - batch).square().sum(-1).mean()
        apart = -0.5 * (1 + spread - mean.square() - spread.exp()).sum(-1).mean()
        loss = rebuilt + 0.02 * apart
        scene.minimize("encode", loss)
        scene.minimize("decode", loss)
        return {"loss": loss, "rebuilt": rebuilt}

    run = Loop.custom(step, {"encode": encode, "decode": decode}, optimizers.adam(0.01)).run(circle, epochs=30)
    assert run.history["rebuilt"][-1] < run.history["rebuilt"][0] / 3
    again = run["decode"].predict(run["encode"].predict(circle)["mean"])
    assert ((again - circle) ** 2).sum(-1).mean() < 0.5


def test_metric_learning_brings_groups_together():
    groups = RNG.integers(0, 4, 160).astype("int32")
    centres = RNG.normal(size=(4, 6)) * 0.7
    points = (centres[groups] + RNG.normal(size=(160, 6))).astype("float32")
    embed = ax.input((None, 6)) | ax.dense(16, "relu") | ax.dense(2)

    def step(scene, batch):
        x, y = batch  # neighbourhood components: likely neighbours are to be of the same group (Goldberger 2004)
        places = scene.embed(x)
        apart = (places.unsqueeze(1) - places.unsqueeze(0)).square().sum(-1)
        itself = Tensor.eye(apart.shape[0])
        near = (-apart).exp() * (1 - itself)
        same = (y.unsqueeze(1) == y.unsqueeze(0)).cast("float32")
        loss = -(((near * same).sum(1) + 1e-9) / (near.sum(1) + 1e-9)).log().mean()
        scene.minimize("embed", loss)
        return {"loss": loss}

    def nearest_right(places):
        apart = ((places[:, None] - places[None]) ** 2).sum(-1)
        np.fill_diagonal(apart, np.inf)
        return (groups[apart.argmin(1)] == groups).mean()

    loop = Loop.custom(step, {"embed": embed}, optimizers.adam(0.01))
    run = loop.run((points, groups), epochs=40, batch_size=80)
    assert run.history["loss"][-1] < run.history["loss"][0] / 1.5
    assert nearest_right(run["embed"].predict(points)) > nearest_right(embed.predict(embed.init(), points)) + 0.1


def test_random_numbers_differ_by_step_and_repeat_by_seed():
    def step(scene, batch):
        return {"a": scene.random((1,)).mean(), "b": scene.random((1,)).mean(), "c": scene.normal((2000,)).std()}

    first, second, other = (
        Loop.custom(step, seed=seed).run([X[:4]], epochs=3).history for seed in (0, 0, 1)
    )  # fmt: skip
    assert first == second
    assert first != other
    assert len({*first["a"], *first["b"]}) == 6
    assert first["c"] == pytest.approx([1, 1, 1], abs=0.1)


def test_nested_batches_and_steps_in_plain_python():
    seen = []

    def step(scene, batch):
        seen.append((sorted(batch), batch["more"][0].shape, float(batch["x"].sum().item())))
        return {"loss": 1.5}

    loop = Loop.custom(step, record=False)
    run = loop.run({"x": X[:6], "more": (LINE[:6], LINE[:6])}, batch_size=4, epochs=1)
    assert [one[:2] for one in seen] == [(["more", "x"], (4, 1)), (["more", "x"], (2, 1))]
    assert sum(one[2] for one in seen) == pytest.approx(X[:6].sum(), rel=1e-4)
    assert run.history == {"loss": [1.5]}


def test_states_are_updated_by_the_step():
    model = ax.input((None, 3)) | ax.batch_norm(momentum=0.5, name="bn") | ax.dense(1)

    def step(scene, batch):
        return {"loss": scene.net(batch).mean()}

    run = Loop.custom(step, {"net": model}).run([X[:16], X[16:32]], epochs=1)
    mean = 0.5 * 0.5 * X[:16].mean(0) + 0.5 * X[16:32].mean(0)
    np.testing.assert_allclose(run["net"].params["bn"]["mean"].numpy(), mean, rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_it():
    def step(scene, batch):
        loss = scene.net(batch).mean() * float("inf")
        scene.minimize("net", loss)
        return {"loss": loss}

    with pytest.raises(TrainingError, match=r"^the loss became (inf|-inf|nan) in epoch 1") as caught:
        Loop.custom(step, {"net": NET}, SGD).run([X], epochs=2)
    assert all(np.isfinite(t.numpy()).all() for t in caught.value.trained["net"].params.flat.values())


@pytest.mark.parametrize(("step", "words"), [
    (lambda s, x: s.minimize("other", s.net(x).mean()), "^there is no optimizer for a model 'other'"),
    (lambda s, x: s.minimize("net", s.net(x)), r"^minimize takes a loss that is one number\n  got: a tensor \(40, 1\)"),
    (lambda s, x: s.minimize("net", 3.0), r"^minimize takes a loss that is one number\n  got: 3.0"),
    (lambda s, x: [s.minimize("net", s.net(x).mean()) for _ in range(2)], "^the weights of net were already moved"),
    (lambda s, x: s.nett(x), "^there is no model 'nett'\n  fix: did you mean 'net'"),
    (lambda s, x: {"a": s.net(x)}, r"^a step returns numbers, and 'a' is none\n  got: a tensor \(40, 1\)"),
    (lambda s, x: 3, r"^a step returns a dict of up to 31 numbers by name, or its loss\n  got: 3"),
])  # fmt: skip
def test_mistakes_in_a_step(step, words):
    with pytest.raises(AxonError, match=words):
        Loop.custom(step, {"net": NET}, SGD).run([X])


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Loop.custom(3), "^a step is a function of the scene and a batch\n  got: 3"),
    (lambda: Loop.custom(print, {"a b": NET}), "^models are given by name\n  got: 'a b'"),
    (lambda: Loop.custom(print, {"net": 3}), "^models are given by name\n  got: 'net': 3"),
    (lambda: Loop.custom(print, {"random": NET}), "^a model cannot be called 'random': the scene has that name"),
    (lambda: Loop.custom(print, {"net": NET}, {"nett": SGD}), "^there is no model 'nett'"),
    (lambda: Loop.custom(print, {"net": NET}, optimizers.sgd(accumulate=2)), "^a custom step moves weights when it"),
    (lambda: Loop.custom(print).metric("accuracy"), "^the metrics of a custom step are what it returns"),
])  # fmt: skip
def test_mistakes_in_a_loop(make, words):
    with pytest.raises(OptionError, match=words):
        make()


def test_a_single_tensor_is_the_loss():
    run = Loop.custom(lambda scene, x: Tensor([2.5])).run([X])
    assert run.history == {"loss": [2.5]}
