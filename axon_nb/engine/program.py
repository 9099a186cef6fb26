"""Owns repeated running: a function of tensors, recorded once for each kind of input and replayed after that.

Knows nothing about models, losses or optimizers.
"""

from __future__ import annotations

import functools
import operator
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from tinygrad import Context, Tensor
from tinygrad.engine.realize import capturing
from tinygrad.uop.ops import UOp

from axon_nb.engine.capture import Body, Function, Tensors, check_results, copied, is_whole, realise, record
from axon_nb.engine.interrupt import uninterrupted
from axon_nb.engine.lock import RUNTIME
from axon_nb.engine.marks import Marks, marks
from axon_nb.engine.replays import Arrays, Fed, Recording, Signature, fed
from axon_nb.engine.transfer import download, upload

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T", Recording, Fed)

KEPT = 8
"""How many kinds of input one program remembers; each holds the memory of its intermediate results."""


class Program:
    """A function of tensors made for running many times.

    The first call with tensors of new shapes, dtypes or devices records the kernels that the function needs; that call
    and all later ones run these without running the function. So Python values, branches and prints in it are those of
    the recording. For the rest it is as if the function ran each time:

    * Inputs may be views, unrealised, or the same tensor twice.
    * An exception or Ctrl-C while it records undoes the recording, and nothing has run. Once kernels run, Ctrl-C waits
      until they are done: a call happens as a whole or not at all.
    * Tensors in ``state`` may be assigned to, or replaced, between calls. Of tensors that the function uses and that
      ``state`` does not name, only realised assignments in place are seen, and they must be realised before.

    Args:
        function: takes tensors, returns a tensor or a tuple of them (or None).
        name: shown in errors.
        state: the tensors that the function reads or assigns beside its inputs: weights, moments, step counters. A
            callable is asked again at each recording. What the function assigns to them is written within the call.
        training: whether tinygrad's TRAINING is on in the function.
        keep: whether results stay as they are when the program runs again. False saves a copy of each; they are then
            overwritten by the next call.
        eager: whether nothing is recorded and the function runs each time, for one that reads values.

    Example:
        >>> double = Program(lambda x: x * 2)
        >>> double(Tensor([1.0, 2.0])).tolist(), double(Tensor([3.0, 4.0])).tolist()
        ([2.0, 4.0], [6.0, 8.0])
    """

    def __init__(
        self,
        function: Function,
        name: str = "step",
        *,
        state: Iterable[Tensor] | Callable[[], Iterable[Tensor]] = (),
        training: bool = False,
        keep: bool = True,
        eager: bool = False,
    ) -> None:
        self.function = function
        self.name = name
        self.training = training
        self.keep = keep
        self.eager = eager
        self._ask_state = state if callable(state) else functools.partial(iter, tuple(state))
        self._state = _State(())
        self._recordings: OrderedDict[Signature, Recording] = OrderedDict()
        # What earlier calls came to, by the very tensors and the kinds of arrays: nothing is checked again.
        self._known: dict[Hashable, Recording] = {}
        self._fed: dict[Hashable, Fed] = {}

    def __call__(self, *tensors: Tensor) -> Tensor | Tensors:
        """Run the function on these tensors."""
        self._check(tensors)
        with RUNTIME:
            if (known := self._remembered(self._known, _marks(tensors))) is not None:
                with uninterrupted():
                    return self._handed_out(known, known.run(*tensors))
            with Context(TRAINING=int(self.training)):
                if self._is_direct:
                    returned = self.function(*tensors)
                    results = check_results(returned, self.name)
                    return returned if isinstance(returned, Tensor) else results
                inputs, recording = self._prepared(tensors)
                with uninterrupted():
                    handed_out = self._handed_out(recording, recording.run(*inputs))
                if recording.was_replayed and _same(inputs, tensors):
                    _remember(self._known, _marks(tensors), recording)
                recording.was_replayed = recording.replays
                return handed_out

    def feed(self, arrays: Sequence[np.ndarray[Any, Any]], *tensors: Tensor, device: str) -> Arrays:
        """Run the function on arrays, put on a device, and then tensors; return its results as arrays.

        It is a call with tensors whose results are read. From the third call on with small arrays of a kind it makes
        no tensors: it writes to the memory of the CPU that the recording reads, and reads what the recording wrote.

        Example:
            >>> import numpy as np
            >>> Program(lambda x: x * 2).feed([np.ones(2, "float32")], device="CPU")
            (array([2., 2.], dtype=float32),)
        """
        self._check(tensors)
        kinds = tuple((array.shape, array.dtype) for array in arrays)
        with RUNTIME:
            if (known := self._remembered(self._fed, (kinds, device, _marks(tensors)))) is not None:
                with uninterrupted():
                    return known(arrays, tensors)
            given = *(upload(array, device) for array in arrays), *tensors
            with Context(TRAINING=int(self.training)):
                if self._is_direct:
                    return tuple(map(download, check_results(self.function(*given), self.name)))
                inputs, recording = self._prepared(given)
                with uninterrupted():
                    results = recording.run(*inputs)
                    found = tuple(map(download, results))
                # Not those of the first call: the function, which was run to record it, may have kept them.
                usable = recording.was_replayed and _same(inputs, given)
                if usable and (made := fed(recording, arrays, inputs, results)) is not None:
                    _remember(self._fed, (kinds, device, _marks(tensors)), made)
                recording.was_replayed = recording.replays
                return found

    def prepare(self, *tensors: Tensor) -> None:
        """Record for tensors like these, and compile, without running the function's kernels.

        Ctrl-C stops it at once, unlike within `uninterrupted`: a loop that wraps its step in that calls this before.
        """
        self._check(tensors)
        with RUNTIME, Context(TRAINING=int(self.training)):
            self._prepared(tensors)

    @property
    def kinds(self) -> tuple[Signature, ...]:
        """The kinds of input that it has been recorded for: shape, dtype and device of each."""
        return tuple(self._recordings)

    def reset(self) -> None:
        """Forget all recordings: for when something changed that the function reads and that is no tensor."""
        with RUNTIME:
            self._forget()

    def __repr__(self) -> str:
        return f"Program({self.name!r}, {len(self._recordings)} recorded)"

    @property
    def _is_direct(self) -> bool:
        """Whether the function is to be run itself; within another program's function it becomes part of that."""
        return bool(capturing) or self.eager

    def _check(self, tensors: Tensors) -> None:
        for index, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                msg = f"program '{self.name}' takes tensors, and input {index} is {type(tensor).__name__}"
                raise TypeError(msg)

    def _handed_out(self, recording: Recording, results: Tensors) -> Tensor | Tensors:
        if self.keep:
            results = tuple(map(copied, results))
        return results[0] if recording.body.single else results

    def _prepared(self, tensors: Tensors) -> tuple[Tensors, Recording]:
        # A tensor whose computation is cut counts as computed all the same, with what was in memory.
        with uninterrupted():
            if self._state.moved():
                self._forget()  # they would go on with the old buffers
            inputs = self._inputs(tensors)
        signature = tuple((t.shape, t.dtype, t.device) for t in inputs)
        if signature not in self._recordings:
            with uninterrupted():
                self._take_state()
                inputs = self._inputs(inputs)  # one of them may turn out to be part of the state
            body = Body(self.function, self.name, self._state.tensors)
            self._recordings[signature] = Recording(signature, record(body, inputs), body)
            if len(self._recordings) > KEPT:
                self._recordings.popitem(last=False)
                self._known.clear()
                self._fed.clear()
        self._recordings.move_to_end(signature)
        return inputs, self._recordings[signature]

    def _remembered(self, table: dict[Hashable, T], key: Hashable) -> T | None:
        """Return what an earlier call came to, if the state is as it was and the function is not to be run itself."""
        if self._is_direct or not self._state.is_unchanged or (found := table.get(key)) is None:
            return None
        self._recordings.move_to_end(found.signature)
        return found

    def _take_state(self) -> None:
        state = _State(tuple(self._ask_state()))
        if [id(t) for t in state.tensors] != [id(t) for t in self._state.tensors]:
            self._forget()
        self._state = state

    def _forget(self) -> None:
        self._recordings.clear()
        self._known.clear()
        self._fed.clear()

    def _inputs(self, tensors: Tensors) -> Tensors:
        """Return the inputs as tinygrad can exchange them in a recording: each a buffer of its own."""
        realise(tensors)
        taken = set(self._state.buffers)
        inputs = []
        for tensor in tensors:
            shared = not is_whole(tensor.uop) or tensor.uop.base in taken
            own = tensor.clone().realize() if shared else tensor
            taken.add(own.uop.base)
            inputs.append(own)
        return tuple(inputs)


class _State:
    """Tensors that a recording holds on to, and the buffers that they had at the time."""

    def __init__(self, tensors: Tensors) -> None:
        realise(tensors)
        self.tensors = tensors
        self._note()

    def _note(self) -> None:
        self._uops: list[UOp] = [t.uop for t in self.tensors]
        self.buffers: list[UOp] = [uop.base for uop in self._uops]

    @property
    def is_unchanged(self) -> bool:
        """Whether nothing was assigned or replaced since."""
        return all(tensor.uop is uop for tensor, uop in zip(self.tensors, self._uops, strict=True))

    def moved(self) -> bool:
        """Realise what was assigned since, and tell whether a tensor is now in another buffer."""
        if self.is_unchanged:
            return False
        realise(self.tensors)
        before = self.buffers
        self._note()
        return any(now is not then for now, then in zip(self.buffers, before, strict=True))


def empty(kind: Signature) -> Tensors:
    """Make tensors of a kind, whose numbers nobody looks at: to prepare a program with.

    Example:
        >>> double = Program(lambda x: x * 2)
        >>> double(Tensor([1.0, 2.0])).tolist()
        [2.0, 4.0]
        >>> [tensor.shape for tensor in empty(double.kinds[0])]
        [(2,)]
    """
    return tuple(Tensor.empty(*shape, dtype=dtype, device=device) for shape, dtype, device in kind)


def _marks(tensors: Tensors) -> Marks:
    return marks([tensor.uop for tensor in tensors])


def _same(some: Tensors, others: Tensors) -> bool:
    return all(map(operator.is_, some, others))


def _remember(table: dict[Hashable, T], key: Hashable, found: T) -> None:
    table[key] = found
    if len(table) > KEPT:
        del table[next(iter(table))]
