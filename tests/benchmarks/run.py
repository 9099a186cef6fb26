"""Runs the benchmarks and writes their tables into BENCHMARKS.md, with the machine and the date.

    python tests/benchmarks/run.py [first_step] [step]

Only what stands between a table's two marks is replaced: the words around it stay.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import sys
from pathlib import Path

import first_step
import step

FILE = Path(__file__).parents[2] / "BENCHMARKS.md"


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    names = (
        re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else []
    )
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
    wanted = sys.argv[1:] or ["first_step", "step"]
    if "first_step" in wanted:
        write("first_step", table(first_step.COLUMNS, list(first_step.rows())))
    if "step" in wanted:
        write("step", table(step.COLUMNS, list(step.rows(list(step.BATCHES)))))


if __name__ == "__main__":
    main()
