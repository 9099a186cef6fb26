"""Runs the benchmarks and writes their tables into BENCHMARKS.md, with the machine and the date.

    python tests/benchmarks/run.py [enter_to_card] [first_step] [step] [footprint] [growth]

Only what stands between a table's two marks is replaced: the words around it stay.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import enter_to_card
import first_step
import footprint
import growth
import step

FILE = Path(__file__).parents[2] / "BENCHMARKS.md"
TABLES = {
    "enter_to_card": lambda: table(enter_to_card.COLUMNS, enter_to_card.rows()),
    "first_step": lambda: table(first_step.COLUMNS, first_step.rows()),
    "step": lambda: table(step.COLUMNS, step.rows(list(step.BATCHES))),
    "footprint": lambda: table(footprint.COLUMNS, footprint.rows()),
    "growth": lambda: picture(),
}


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture() -> str:
    growth.main(growth.FILE)
    return f"![how times grow with layers, batch and length](docs/{growth.FILE.name})"


def machine() -> str:
    known = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", known.read_text()) if known.exists() else []
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def write(name: str, text: str) -> None:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    whole = FILE.read_text(encoding="utf-8") if FILE.exists() else "# Benchmarks\n"
    if begin not in whole:
        whole += f"\n{begin}\n{end}\n"
    before, rest = whole.split(begin)
    after = rest.split(end)[1]
    stamp = f"{datetime.date.today().isoformat()}, {machine()}"
    FILE.write_text(f"{before}{begin}\n{stamp}\n\n{text}\n{end}{after}", encoding="utf-8")


def main() -> None:
    for name in sys.argv[1:] or TABLES:
        write(name, TABLES[name]())


if __name__ == "__main__":
    main()
