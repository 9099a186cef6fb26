"""Owns the progress bar: in a terminal and in a notebook, gone when training is over.

Knows nothing about models.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self


class Progress:
    """A bar over all steps of a training, shown once it takes longer than a second."""

    def __init__(self, steps: int | None, *, shown: bool | None = None) -> None:
        self._shown = _has_reader() if shown is None else shown
        self._steps = steps
        self._bar: Any = None

    def __enter__(self) -> Self:
        if self._shown:
            from tqdm.auto import tqdm  # 50 ms, and widgets in a notebook: only for who looks

            self._bar = tqdm(total=self._steps, leave=False, delay=1, unit="step", mininterval=0.2)
        return self

    def step(self) -> None:
        """Count one step."""
        if self._bar is not None:
            self._bar.update()

    def tell(self, text: str) -> None:
        """Show how it goes: ``epoch 3/10, loss 0.21``."""
        if self._bar is not None:
            self._bar.set_description_str(text, refresh=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def _has_reader() -> bool:
    return "ipykernel" in sys.modules or sys.stderr.isatty()
