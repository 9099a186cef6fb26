"""Training: that it learns, that it is the same twice, and that every number is what it says."""

import functools

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb import optimizers
from axon_nb.training.feed import make_feed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1).astype("float32")
CLASSES = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0.5)
SGD = optimizers.sgd(learning_rate=0.1)


def line(*more):
    model = ax.input((None, 3)) | ax.dense(1, name="line")
    for layer in more:
        model = model | layer
    return model


def classifier(*more):
    model = ax.input((None, 3)) | ax.dense(4, "tanh")
    for layer in more:
        model = model | layer
    return model | ax.dense(3, "softmax")


def flat(params):
    return np.concatenate([tensor.numpy().ravel() for tensor in params.flat.values()])


def steps_by_hand(params, batches, rate, epochs=1):
    """Take steps of gradient descent on the mean squared error of a line, in NumPy."""
    kernel, bias = (params[f"line.{name}"].numpy().astype("float64") for name in ("kernel", "bias"))
    history = []
    for _ in range(epochs):
        total = 0.0
        for x, y in batches:
            error = x @ kernel + bias - y
            total += (error**2).sum()
            kernel = kernel - rate * 2 * x.T @ error / len(x)
            bias = bias - rate * 2 * error.mean(0)
        history.append(total / sum(len(x) for x, _ in batches))
    return np.concatenate([kernel.ravel(), bias]), history


BATCHES = [(X[:8], LINE[:8]), (X[8:16], LINE[8:16]), (X[16:], LINE[16:])]


def test_a_short_last_batch_counts_by_its_samples():
    model = line()
    start = model.init(seed=1)
    trained = model.fit(BATCHES, loss="mean_squared_error", optimizer=SGD, epochs=3, like=start)
    weights, history = steps_by_hand(start, BATCHES, 0.1, epochs=3)
    np.testing.assert_allclose(flat(trained.params), weights, rtol=1e-5)
    np.testing.assert_allclose(trained.history["loss"], history, rtol=1e-5)


def test_filling_up_a_short_batch_changes_nothing():
    def train(*more):
        model = line(*more)
        return model.fit((X, LINE), loss="mean_squared_error", optimizer=SGD, epochs=2, batch_size=8, seed=3,
                         metrics=["mean_absolute_error"], validation=(X[:5], LINE[:5]))  # fmt: skip

    filled, as_it_is = train(), train(lambda y: y)  # of a function nobody knows whether samples act on one another
    np.testing.assert_allclose(flat(filled.params), flat(as_it_is.params), rtol=1e-5, atol=1e-7)
    for name, values in filled.history.items():
        np.testing.assert_allclose(values, as_it_is.history[name], rtol=1e-5)


def test_batch_norm_sees_the_samples_that_are_there():
    model = ax.input((None, 3)) | ax.batch_norm(momentum=0.5, name="bn") | ax.dense(1)
    trained = model.fit(BATCHES, loss="mean_squared_error", optimizer=SGD)
    mean = np.zeros(3)
    for x, _ in BATCHES:
        mean = 0.5 * mean + 0.5 * x.mean(0)
    np.testing.assert_allclose(trained.params["bn"]["mean"].numpy(), mean, rtol=1e-5)


def test_a_batch_bigger_than_the_data_is_all_of_it():
    model = line()
    start = model.init()
    trained = model.fit((X, LINE), loss="mean_squared_error", optimizer=SGD, batch_size=1000, epochs=2, like=start)
    np.testing.assert_allclose(flat(trained.params), steps_by_hand(start, [(X, LINE)], 0.1, epochs=2)[0], rtol=1e-5)


def test_the_same_seed_is_the_same_to_the_last_bit_and_another_is_not():
    def train(seed):
        return classifier(ax.dropout(0.3)).fit((X, CLASSES), loss="categorical_cross_entropy", metrics=["accuracy"],
                                               epochs=2, batch_size=8, seed=seed)  # fmt: skip

    first, second, other = train(0), train(0), train(1)
    assert first.params == second.params
    assert first.history == second.history
    assert first.params != other.params
    assert first.history != other.history


def test_samples_come_in_another_order_each_epoch_each_once():
    numbers = np.arange(20, dtype="float32").reshape(-1, 1)
    model = ax.input((None, 1)) | ax.dense(1)
    feed = make_feed(model, (numbers, numbers), 8, 0, lambda y, shapes: (y,))
    epochs = [np.concatenate([batch.labels[0].ravel() for batch in feed.batches(epoch)]) for epoch in (0, 1)]
    assert all(sorted(epoch.tolist()) == numbers.ravel().tolist() for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert [len(batch) for batch in feed.batches(0)] == [8, 8, 4]
    assert [batch.labels[0].tolist() for batch in feed.batches(1, 2)] == [
        batch.labels[0].tolist() for batch in feed.batches(1)
    ][2:]
    assert (feed.samples, feed.steps) == (20, 3)


class TestLosses:
    def train(self, loss, y=LINE, model=None, **options):
        model = model or line()
        return model.fit((X, y), loss=loss, optimizer=SGD, epochs=2, batch_size=8, **options)

    def test_a_function_is_a_loss(self):
        by_name = self.train("mean_squared_error")
        by_hand = self.train(lambda y_true, y_pred: (y_true - y_pred).square().mean())
        np.testing.assert_allclose(flat(by_hand.params), flat(by_name.params), rtol=1e-5)
        np.testing.assert_allclose(by_hand.history["loss"], by_name.history["loss"], rtol=1e-5)
        each = self.train(lambda y_true, y_pred: (y_true - y_pred).square().squeeze(-1))
        np.testing.assert_allclose(each.history["loss"], by_name.history["loss"], rtol=1e-5)
        assert self.train(ax.losses.mean_squared_error).params == by_name.params

    def test_options_of_a_loss_by_partial(self):
        logits = ax.input((None, 3)) | ax.dense(3)
        loss = functools.partial(ax.losses.categorical_cross_entropy, from_logits=True)
        trained = self.train(loss, CLASSES, logits)
        probabilities = self.train("categorical_cross_entropy", CLASSES, ax.input((None, 3)) | ax.dense(3, "softmax"))
        np.testing.assert_allclose(flat(trained.params), flat(probabilities.params), rtol=1e-4, atol=1e-6)
        with pytest.raises(ax.AxonError, match="the labels go from 0 to 9"):
            self.train(loss, np.arange(20) % 10, logits)

    def test_one_hot_rows_and_class_numbers_are_the_same(self):
        numbers, rows = CLASSES, np.eye(3)[CLASSES]
        first, second, column = (
            classifier().fit((X, y), loss="categorical_cross_entropy", optimizer=SGD, batch_size=8)
            for y in (numbers, rows, numbers.reshape(-1, 1))
        )
        np.testing.assert_allclose(flat(first.params), flat(second.params), rtol=1e-5)
        assert first.params == column.params

    def test_labels_may_lack_the_axis_of_a_single_output(self):
        assert self.train("mean_squared_error", LINE.ravel()).params == self.train("mean_squared_error").params

    def test_a_model_whose_output_has_no_axis_for_features(self):
        model = line(ax.reshape(()))
        flat_output = self.train("mean_squared_error", LINE.ravel(), model)
        np.testing.assert_allclose(flat(flat_output.params), flat(self.train("mean_squared_error").params), rtol=1e-5)


class TestMetrics:
    def train(self, metrics, **options):
        return classifier().fit(
            (X, CLASSES), loss="categorical_cross_entropy", metrics=metrics, batch_size=8, **options
        )

    def test_histories_have_a_number_per_epoch(self):
        trained = self.train(["accuracy"], epochs=3, validation=0.25)
        assert list(trained.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
        assert [len(values) for values in trained.history.values()] == [3] * 4
        assert all(isinstance(value, float) for values in trained.history.values() for value in values)
        assert trained.epochs == 3

    def test_functions_are_metrics(self):
        def right(y_true, y_pred):
            return y_pred.argmax(-1) == y_true

        trained = self.train([right, "accuracy", lambda t, p: p.max(-1), lambda t, p: p.mean()])
        assert list(trained.history) == ["loss", "right", "accuracy", "function", "function_2"]
        assert trained.history["right"] == pytest.approx(trained.history["accuracy"])
        assert trained.history["function_2"] == pytest.approx([1 / 3])

    def test_one_name_and_names_that_collide(self):
        def loss(y_true, y_pred):
            return y_pred.mean()

        assert list(self.train("accuracy").history) == ["loss", "accuracy"]
        assert list(self.train([loss, "accuracy", "accuracy"]).history) == ["loss", "loss_2", "accuracy", "accuracy_2"]

    def test_what_is_no_metric(self):
        with pytest.raises(ax.AxonError, match=r"^there is no metric 'acuracy'\n  fix: did you mean 'accuracy'"):
            self.train(["acuracy"])
        with pytest.raises(
            ax.AxonError, match=r"^a metric is a name or a function of y_true and y_pred\n  got: 3\n  fix: by name"
        ):
            self.train([3])


class TestValidation:
    def test_it_changes_nothing_of_the_training(self):
        alone = line().fit((X[:15], LINE[:15]), loss="mean_squared_error", batch_size=8, epochs=2)
        watched = line().fit((X, LINE), loss="mean_squared_error", batch_size=8, epochs=2, validation=0.25)
        beside = line().fit((X[:15], LINE[:15]), loss="mean_squared_error", batch_size=8, epochs=2,
                            validation=(X[15:], LINE[15:]))  # fmt: skip
        assert alone.params == watched.params == beside.params
        assert watched.history == beside.history
        assert watched.history["loss"] == alone.history["loss"]

    def test_it_is_what_evaluate_says(self):
        trained = line().fit(
            (X, LINE), loss="mean_squared_error", metrics=["mean_absolute_error"], validation=(X[:7], LINE[:7])
        )
        found = trained.evaluate((X[:7], LINE[:7]))
        assert list(found) == ["loss", "mean_absolute_error"]
        for name, value in found.items():
            assert value == pytest.approx(trained.history[f"val_{name}"][-1], rel=1e-5)
        error = trained.predict(X[:7]) - LINE[:7]
        assert found["loss"] == pytest.approx((error**2).mean(), rel=1e-4)
        assert found["mean_absolute_error"] == pytest.approx(np.abs(error).mean(), rel=1e-4)
        batches = trained.evaluate([(X[:4], LINE[:4]), (X[4:7], LINE[4:7])])
        assert batches["loss"] == pytest.approx(found["loss"], rel=1e-5)

    @pytest.mark.parametrize(("share", "words"), [
        (0.0, r"^validation=0.0 leaves no sample on one side of 20\n  fix: a share between 0 and 1, or val"),
        (1.0, "^validation=1.0 leaves no sample on one side of 20"),
        (1, "^validation=1 leaves no sample on one side of 20"),
        (-0.5, "^validation=-0.5 leaves no sample on one side of 20"),
        (0.01, "^validation=0.01 leaves no sample on one side of 20"),
    ])  # fmt: skip
    def test_a_share_that_leaves_nothing(self, share, words):
        with pytest.raises(ax.AxonError, match=words):
            line().fit((X, LINE), loss="mean_squared_error", validation=share)

    def test_a_share_of_an_iterable(self):
        with pytest.raises(
            ax.AxonError, match=r"^a share for validation is cut off arrays \(x, y\)\n  fix: validation=\(x, y\)"
        ):
            line().fit(BATCHES, loss="mean_squared_error", validation=0.5)

    def test_a_share_of_data_and_labels_of_different_length(self):
        with pytest.raises(
            ax.AxonError, match=r"different numbers of samples\n  got: data \(20, 3\), labels \(19, 1\)$"
        ):
            line().fit((X, LINE[:19]), loss="mean_squared_error", validation=0.5)


class TestClassWeights:
    def train(self, model, y, loss, weights, batches=None):
        data = batches or (X, y)
        return model.fit(
            data, loss=loss, optimizer=SGD, epochs=2, batch_size=20, class_weights=weights, like=model.init()
        )

    @pytest.mark.parametrize("weights", [[0.5, 1.0, 3.0], {0: 0.5, 2: 3.0}, np.array([0.5, 1.0, 3.0])], ids=type)
    def test_they_are_torchs(self, weights):
        torch = pytest.importorskip("torch")
        model = ax.input((None, 3)) | ax.dense(3, "softmax")
        trained = self.train(model, CLASSES, "categorical_cross_entropy", weights)
        kernel, bias = (torch.nn.Parameter(torch.tensor(t.numpy())) for t in model.init().flat.values())
        step = torch.optim.SGD([kernel, bias], lr=0.1)
        history = []
        for _ in range(2):
            step.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                torch.tensor(X) @ kernel + bias, torch.tensor(CLASSES), weight=torch.tensor([0.5, 1.0, 3.0])
            )
            loss.backward()
            step.step()
            history.append(loss.item())
        np.testing.assert_allclose(
            trained.params["dense_0.kernel"].numpy(), kernel.detach().numpy(), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(trained.history["loss"], history, rtol=1e-5)

    def test_yes_or_no(self):
        model = ax.input((None, 3)) | ax.dense(1, "sigmoid")
        yes = (X[:, :1] > 0).astype("float32")
        weighted = self.train(model, yes, "binary_cross_entropy", [1.0, 3.0])
        tripled = [(np.concatenate([X] + [X[yes[:, 0] == 1]] * 2), np.concatenate([yes] + [yes[yes[:, 0] == 1]] * 2))]
        copies = self.train(model, None, "binary_cross_entropy", None, batches=tripled)
        np.testing.assert_allclose(flat(weighted.params), flat(copies.params), rtol=1e-4, atol=1e-6)

    def test_a_batch_in_which_no_sample_counts(self):
        model = ax.input((None, 3)) | ax.dense(3, "softmax")
        batches = [(X[CLASSES == 0], CLASSES[CLASSES == 0]), (X[CLASSES != 0], CLASSES[CLASSES != 0])]
        trained = self.train(model, None, "categorical_cross_entropy", {0: 0.0}, batches)
        assert np.isfinite(flat(trained.params)).all()
        assert np.isfinite(trained.history["loss"]).all()

    @pytest.mark.parametrize(("weights", "words"), [
        (weights, "class_weights are numbers of at least 0 by class number, and not all 0\n  got: ")
        for weights in ([], {}, [0.0, 0.0, 0.0], [1.0, -1.0, 1.0], [1.0, float("nan"), 1.0], {"cat": 2.0}, {-1: 1.0}, 3)
    ] + [
        ([1.0, 1.0, 1.0, 1.0], "class_weights has a weight for class 3, and the classes are 0 to 2"),
        ({5: 1.0}, "class_weights has a weight for class 5, and the classes are 0 to 2"),
    ])  # fmt: skip
    def test_refused(self, weights, words):
        with pytest.raises(ax.AxonError, match=f"^{words}"):
            self.train(classifier(), CLASSES, "categorical_cross_entropy", weights)

    def test_they_go_with_classes(self):
        with pytest.raises(ax.AxonError, match=r"^class_weights go with classes, and mean_squared_error has none$"):
            self.train(line(), LINE, "mean_squared_error", [1.0])


class TestData:
    def test_iterables_of_batches(self):
        class Batches:
            def __iter__(self):
                return iter(BATCHES)

        listed = line().fit(BATCHES, loss="mean_squared_error", epochs=2)
        for data in (Batches(), tuple(BATCHES), [list(batch) for batch in BATCHES]):
            assert line().fit(data, loss="mean_squared_error", epochs=2).params == listed.params
        pair = line().fit(((X[:8], LINE[:8]), (X[8:], LINE[8:])), loss="mean_squared_error")
        assert pair.params == line().fit([(X[:8], LINE[:8]), (X[8:], LINE[8:])], loss="mean_squared_error").params

    def test_lists_tensors_and_doubles(self):
        plain = line().fit((X, LINE), loss="mean_squared_error", batch_size=8)
        for x, y in (
            (X.tolist(), LINE.tolist()),
            (Tensor(X), Tensor(LINE)),
            (X.astype("float64"), LINE.astype("float64")),
        ):
            assert line().fit((x, y), loss="mean_squared_error", batch_size=8).params == plain.params

    def test_several_inputs(self):
        model = (ax.input((None, 2), name="a"), ax.input((None, 1), name="b")) | ax.concatenate() | ax.dense(1)
        a, b = X[:, :2], X[:, 2:]
        by_name = model.fit(({"b": b, "a": a}, LINE), loss="mean_squared_error", batch_size=8, validation=0.2)
        in_order = model.fit(((a, b), LINE), loss="mean_squared_error", batch_size=8, validation=0.2)
        batches = [({"a": a[:16], "b": b[:16]}, LINE[:16])]
        assert by_name.params == in_order.params
        assert model.fit(batches, loss="mean_squared_error").epochs == 1
        assert by_name.predict({"a": a, "b": b}).shape == (20, 1)

    def test_a_model_without_declared_shapes(self):
        model = ax.input() | ax.dense(1)
        trained = model.fit((X, LINE), loss="mean_squared_error", batch_size=8)
        assert trained.params["dense_0"]["kernel"].shape == (3, 1)
        with pytest.raises(ax.AxonError, match="the labels do not fit the output"):
            model.fit((X, X), loss="mean_squared_error")

    def test_whole_number_inputs_and_time(self):
        words = RNG.integers(0, 5, (12, 6))
        model = ax.input((None, "time"), dtype="int32") | ax.embedding(5, 4) | ax.dense(5, "softmax")
        trained = model.fit(
            (words, words), loss="categorical_cross_entropy", metrics=["accuracy"], batch_size=8, epochs=2
        )
        assert trained.predict(words).shape == (12, 6, 5)
        assert trained.history["loss"][0] == pytest.approx(np.log(5), rel=0.1)


class TestLike:
    def test_it_goes_on_from_there(self):
        model = line()
        first = model.fit((X, LINE), loss="mean_squared_error", optimizer=SGD, batch_size=20, epochs=2)
        before = first.params.copy()
        second = model.fit((X, LINE), loss="mean_squared_error", optimizer=SGD, batch_size=20, epochs=2, like=first)
        whole = model.fit((X, LINE), loss="mean_squared_error", optimizer=SGD, batch_size=20, epochs=4)
        np.testing.assert_allclose(flat(second.params), flat(whole.params), rtol=1e-5)
        np.testing.assert_allclose(first.history["loss"] + second.history["loss"], whole.history["loss"], rtol=1e-5)
        assert first.params == before

    def test_params_given_stay_as_they_were(self):
        model = line()
        params = model.init()
        before = params.copy()
        model.fit((X, LINE), loss="mean_squared_error", like=params)
        assert params == before

    def test_a_changed_model_keeps_what_fits(self):
        trained = classifier().fit((X, CLASSES), loss="categorical_cross_entropy")
        changed = ax.input((None, 3)) | ax.dense(4, "tanh") | ax.dense(1)
        with pytest.warns(UserWarning, match=r"^like: kept 2 of 4 parameters; dropped dense_1.kernel"):
            again = changed.fit((X, LINE), loss="mean_squared_error", optimizer=optimizers.sgd(1e-9), like=trained)
        np.testing.assert_allclose(
            again.params["dense_0.kernel"].numpy(), trained.params["dense_0.kernel"].numpy(), atol=1e-6
        )


def test_frozen_weights_stay_and_states_follow_their_own_rule():
    model = ax.input((None, 3)) | ax.batch_norm(name="bn") | ax.dense(2, "tanh", name="body") | ax.dense(1)
    model = model.freeze("body")
    start = model.init()
    trained = model.fit((X, LINE), loss="mean_squared_error", optimizer=SGD, batch_size=20, epochs=2, like=start)
    for name, tensor in start.flat.items():
        same = np.array_equal(trained.params[name].numpy(), tensor.numpy())
        assert same == name.startswith("body."), name
    assert list(trained.params.frozen) == ["body"]


def test_a_weight_that_nothing_depends_on_stays():
    @ax.layer
    def lazy(scope, x):
        scope.param("unused", (2,), "ones")
        return x

    trained = line(lazy()).fit((X, LINE), loss="mean_squared_error")
    assert trained.params["lazy_0"]["unused"].tolist() == [1.0, 1.0]


def test_a_model_without_weights_is_measured():
    trained = (ax.input((None, 1)) | ax.relu()).fit((X[:, :1], X[:, :1]), loss="mean_squared_error", epochs=2)
    assert trained.history["loss"] == pytest.approx([(np.minimum(X[:, 0], 0) ** 2).mean()] * 2, rel=1e-5)


def test_dropout_drops_in_training_only():
    model = ax.input((None, 3)) | ax.dropout(0.5) | ax.dense(1, kernel_initializer="ones")
    still = optimizers.sgd(learning_rate=1e-12)
    trained = model.fit(
        (X, LINE), loss="mean_squared_error", optimizer=still, batch_size=20, epochs=2, validation=(X, LINE)
    )
    assert trained.history["loss"][0] != pytest.approx(trained.history["loss"][1], rel=1e-3)
    assert trained.history["val_loss"][0] == pytest.approx(trained.history["val_loss"][1], rel=1e-6)
    assert trained.history["val_loss"][0] == pytest.approx(((X.sum(1, keepdims=True) - LINE) ** 2).mean(), rel=1e-4)
