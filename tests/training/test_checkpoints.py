"""Checkpoints: a run that was stopped, killed or interrupted goes on as if it never was."""

import multiprocessing
import os
import random
import time
import warnings

import crashing
import numpy as np
import pytest

import axon_nb as ax
from axon_nb import callbacks, files, optimizers
from axon_nb.errors import FileError, ParamsError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1).astype("float32")
MODEL = ax.input((None, 3)) | ax.dense(4, "tanh") | ax.dropout(0.3) | ax.dense(1)


def fit(epochs=4, model=MODEL, data=(X, LINE), **options):
    return model.fit(data, **{"loss": "mean_squared_error", "batch_size": 16, "epochs": epochs, **options})


class StopError(Exception):
    pass


def stop_at(steps):
    def stop(state):
        if state.steps == steps:
            raise StopError

    return callbacks.on("iteration_completed")(stop)


RULES = {
    "adam": "adam",
    "accumulating": optimizers.adam(accumulate=2),
    "momentum": optimizers.sgd(0.01, momentum=0.9),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("steps", [2, 3, 7])
def test_a_run_goes_on_bit_for_bit(tmp_path, rule, steps):
    def run(*more, **options):
        others = [callbacks.EMA(0.8), callbacks.EarlyStop(patience=2, restore_best=True)]
        return fit(optimizer=RULES[rule], metrics=["r2", "auc"], validation=(X[:9], LINE[:9]),
                   callbacks=[*others, callbacks.Checkpoint(tmp_path, every_steps=1), *more], **options)  # fmt: skip

    straight = run()
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(StopError):
        run(stop_at(steps))
    # The checkpoint comes after all other callbacks: that of the step which raised was not written.
    assert sorted(path.name for path in tmp_path.iterdir())[-1] == f"step_{steps - 1:09d}.safetensors"
    again = run(resume=tmp_path)
    assert again.params == straight.params
    assert again.history == straight.history


def test_batches_of_ones_own_go_on_where_they_were(tmp_path):
    batches = [(X[:16], LINE[:16]), (X[16:32], LINE[16:32]), (X[32:], LINE[32:])]
    saves = callbacks.Checkpoint(tmp_path, every_steps=1)
    with pytest.raises(StopError):
        fit(data=batches, callbacks=[saves, stop_at(5)])
    assert fit(data=batches, callbacks=[saves], resume=tmp_path).params == fit(data=batches).params


def test_more_epochs_than_at_first(tmp_path):
    fit(2, callbacks=[callbacks.Checkpoint(tmp_path)])
    longer = fit(5, resume=tmp_path)
    assert longer.params == fit(5).params
    assert longer.epochs == 5
    assert fit(2, resume=tmp_path).epochs == 2  # nothing left to do


def test_custom_steps_go_on_too(tmp_path):
    def step(scene, batch):
        x, y = batch
        loss = (scene.net(x + 0.1 * scene.normal(x.shape)) - y).square().mean()
        scene.minimize("net", loss)
        return {"loss": loss}

    def run(*more, **options):
        loop = ax.Loop.custom(step, {"net": MODEL}, "adam").checkpoint(tmp_path, every_steps=1).add(*more)
        return loop.run((X, LINE), epochs=3, batch_size=16, **options)

    straight = run()
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(StopError):
        run(stop_at(5))
    again = run(resume=tmp_path)
    assert again["net"].params == straight["net"].params
    assert again.history == straight.history


def test_the_last_few_and_the_best_are_kept(tmp_path):
    values = iter([3.0, 1.0, 2.0, 4.0])

    def script(state):
        state.metrics["script"] = next(values)

    saves = callbacks.Checkpoint(tmp_path / "new" / "folder", keep=2, best=True, metric="script", mode="min")
    fit(4, callbacks=[script, saves])
    names = sorted(path.name for path in saves.folder.iterdir())
    assert names == ["best.safetensors", "step_000000009.safetensors", "step_000000012.safetensors"]
    stored = files.read_file(saves.folder / "best.safetensors")
    assert (stored.content["epoch"], stored.content["steps"]) == (2, 6)
    best = fit(2).params
    assert all(
        (stored.tensor(f"params/{'/'.join(p)}").numpy() == leaf.tensor.numpy()).all() for p, leaf in best.leaves.items()
    )


def test_a_checkpoint_has_the_model_itself(tmp_path):
    fit(1, callbacks=[callbacks.Checkpoint(tmp_path)])
    (path,) = tmp_path.iterdir()
    assert ax.from_json(files.read_file(path).content["models"][""]).equals(MODEL)


def cut(data):
    return data[: len(data) // 2]


def flip(data):
    changed = bytearray(data)
    changed[-4] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(("damage", "words"), [
    (cut, "the file is damaged: it is cut off"),
    (flip, "the file is damaged: its checksum is wrong"),
    (lambda data: b"", "this is no safetensors file"),
])  # fmt: skip
def test_a_damaged_checkpoint_is_refused_and_the_one_before_used(tmp_path, damage, words):
    fit(3, callbacks=[callbacks.Checkpoint(tmp_path)])
    last = max(tmp_path.iterdir())
    last.write_bytes(damage(last.read_bytes()))
    with pytest.raises(FileError, match=words):
        fit(resume=last)
    with pytest.warns(
        UserWarning, match=rf"^resume: {last.name}: {words}.*; going on from step_000000006.safetensors$"
    ):
        trained = fit(resume=tmp_path)
    assert trained.params == fit().params


def test_if_all_are_damaged_it_is_said(tmp_path):
    fit(2, callbacks=[callbacks.Checkpoint(tmp_path)])
    for path in tmp_path.iterdir():
        path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(FileError, match=r"step_000000006\.safetensors: the file is damaged: it is cut off"):
        fit(resume=tmp_path)


def test_an_empty_folder_or_none_is_a_beginning(tmp_path):
    assert fit(1, resume=tmp_path).params == fit(1, resume=tmp_path / "none").params == fit(1).params


@pytest.mark.parametrize(("options", "words"), [
    ({"seed": 1}, "the checkpoint is of another training: its seed differ\n  got: 0 in the checkpoint, 1 here"),
    ({"optimizer": "sgd"}, r"the checkpoint is of another training: its optimizer differ\n  got: 'adam\("),
    ({"model": MODEL | ax.dense(1)}, "the checkpoint is of another training: its nodes differ"),
])  # fmt: skip
def test_another_training_is_refused(tmp_path, options, words):
    fit(1, callbacks=[callbacks.Checkpoint(tmp_path)])
    with pytest.raises(ParamsError, match=words):
        fit(resume=tmp_path, **options)


def test_what_is_no_checkpoint(tmp_path):
    path = fit(1).save(tmp_path / "model.safetensors")
    with pytest.raises(FileError, match="this is no checkpoint"):
        fit(resume=path)
    with pytest.raises(ax.AxonError, match=r"^resume takes a checkpoint, or the folder of them\n  got: 3"):
        fit(resume=3)
    with pytest.raises(FileError, match="cannot be read: No such file"):
        fit(resume=tmp_path / "other.safetensors")


@pytest.mark.parametrize("seed", range(4))
def test_a_full_disk_leaves_the_epochs_before(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    left = [chance.randrange(2000, 12000)]

    class Full:
        """A file on a disk that has so many bytes left."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

        def write(self, data):
            left[0] -= len(data)
            if left[0] < 0:
                self.file.write(bytes(data)[: left[0]])
                raise OSError(28, "No space left on device")
            return self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    opens = type(tmp_path).open
    monkeypatch.setattr(type(tmp_path), "open", lambda path, mode="r", *more: (
        Full(opens(path, mode, *more)) if "w" in mode else opens(path, mode, *more)
    ))  # fmt: skip
    with pytest.raises(FileError, match=r"cannot be written: No space left on device") as caught:
        fit(50, callbacks=[callbacks.Checkpoint(tmp_path, keep=100)])
    monkeypatch.undo()
    done = caught.value.trained.epochs
    assert caught.value.trained.params == (fit(done).params if done else MODEL.init())
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
    assert len(list(tmp_path.iterdir())) == done  # what was written before is whole
    assert fit(done + 1, resume=tmp_path).params == fit(done + 1).params


def test_what_a_killed_run_left_half_written_is_cleared_away(tmp_path):
    (tmp_path / ".step_000000009.safetensors.999999999.part").write_bytes(b"half")
    (tmp_path / "mine.part").write_bytes(b"mine")
    fit(1, callbacks=[callbacks.Checkpoint(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.part", "step_000000003.safetensors"]


KILLS = 30


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a process is killed otherwise there")
def test_killed_at_thirty_random_moments_it_ends_in_the_same_weights(tmp_path):
    chance = random.Random(0)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crashing"])
    killed = 0
    result = None
    while result is None:
        ours, theirs = context.Pipe()
        process = context.Process(target=crashing.run, args=(str(tmp_path), theirs, 0.03 if killed < KILLS else 0.0))
        process.start()
        theirs.close()
        if killed < KILLS:
            if chance.random() < 0.8:  # else while it starts, reads the checkpoint, records
                assert ours.poll(60)
                assert ours.recv() == "begun"
            time.sleep(chance.uniform(0, 0.2))
            process.kill()
            killed += 1
        else:
            while not isinstance(result, tuple):
                result = ours.recv()
        process.join(60)
        ours.close()
        for path in tmp_path.iterdir():
            if path.suffix == ".safetensors":
                files.read_file(path)  # none is torn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert result == crashing.result_of(crashing.train())
    assert killed == KILLS
