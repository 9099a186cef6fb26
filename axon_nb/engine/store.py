"""Owns the cache of compiled steps on disk: sealed files in a folder that only their owner may enter.

Knows nothing about what computes what; a step is found by its name.

It is machine code, so nothing is run that this user's processes did not write: each file is sealed (HMAC-SHA256) with a
random key beside it that only the user may read. Whatever goes wrong, a step is compiled as if there were no cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import struct
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from axon_nb.engine.plan import Call, Kernel, Place, Plan

MOST_BYTES = 256 << 20
"""How large the folder may grow; what was not used for longest goes first."""

_MAGIC = b"axon_nb step 1\n"
_SEAL_BYTES = 32
_SUFFIX = ".step"
_KEY_BYTES = 32


def folder() -> Path:
    """Return where this user's compiled steps are."""
    given = os.environ.get("AXON_NB_CACHE_DIR")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "axon_nb" / "steps"


def load(name: str) -> tuple[Plan, bytes, dict[str, Any]] | None:
    """Return a step that was saved: its plan, the runner's code, and the notes made with it."""
    try:
        place = folder()
        if not place.exists():
            return None
        _check_owned(place, "folder")
        path = place / (name + _SUFFIX)
        try:
            text = _read(path)
        except FileNotFoundError:
            return None
        found = _unpack(_unsealed(text, name, _key(place)))
        with contextlib.suppress(OSError):
            os.utime(path)  # used just now
    except _NotOursError as error:
        _tell(str(error))
        return None
    except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        _tell(f"{type(error).__name__}: {error}")
        return None
    return found


def save(name: str, plan: Plan, runner: bytes, notes: dict[str, Any]) -> None:
    """Save a step, all of it or nothing."""
    try:
        place = folder()
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_owned(place, "folder")
        body = _pack(plan, runner, notes)
        _make_room(place, len(body))
        _write(place / (name + _SUFFIX), _sealed(body, name, _key(place)))
    except (_NotOursError, OSError) as error:
        _tell(str(error))


class _NotOursError(Exception):
    """A file or folder that somebody else may have written."""


def _check_owned(path: Path, what: str) -> None:
    _check_status(path.lstat(), path, what)


def _check_status(status: os.stat_result, path: Path, what: str) -> None:
    if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) != (what == "folder")):
        msg = f"{path} is not a plain {what}"
        raise _NotOursError(msg)
    if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
        msg = f"others may enter {path}" if what == "folder" else f"others may read or write {path}"
        raise _NotOursError(msg)


def _read(path: Path) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        _check_status(status, path, "file")
        if status.st_size > MOST_BYTES:
            msg = f"{path} is larger than the whole cache may be"
            raise _NotOursError(msg)
        return file.read()


def _write(path: Path, data: bytes) -> None:
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")  # made for the owner only
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _key(place: Path) -> bytes:
    path = place / "key"
    try:
        key = _read(path)
    except FileNotFoundError:
        number, temporary = tempfile.mkstemp(dir=place, prefix=".", suffix=".part")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
            with contextlib.suppress(FileExistsError):  # another process was first: its key is everybody's
                os.link(temporary, path)
        finally:
            Path(temporary).unlink()
        key = _read(path)
    if len(key) != _KEY_BYTES:
        msg = f"{path} is damaged; delete the folder {place}"
        raise _NotOursError(msg)
    return key


def _seal(body: bytes, name: str, key: bytes) -> bytes:
    return hmac.new(key, _MAGIC + name.encode() + b"\0" + body, hashlib.sha256).digest()


def _sealed(body: bytes, name: str, key: bytes) -> bytes:
    return _MAGIC + _seal(body, name, key) + body


def _unsealed(text: bytes, name: str, key: bytes) -> bytes:
    start = len(_MAGIC) + _SEAL_BYTES
    body = text[start:]
    if not text.startswith(_MAGIC) or not hmac.compare_digest(text[len(_MAGIC) : start], _seal(body, name, key)):
        msg = f"{name}{_SUFFIX} is damaged, or was not written by this user"
        raise _NotOursError(msg)
    return body


def _pack(plan: Plan, runner: bytes, notes: dict[str, Any]) -> bytes:
    codes = [runner, *(kernel.code for kernel in plan.kernels)]
    header = {
        "notes": notes,
        "inner": plan.inner,
        "kernels": [(k.name, k.parts, k.core) for k in plan.kernels],
        "calls": [
            (call.kernel, [(p.space, p.index, p.offset, p.size) for p in call.arguments], call.written)
            for call in plan.calls
        ],
        "sizes": [len(code) for code in codes],
    }
    text = json.dumps(header).encode()
    return b"".join([struct.pack("<Q", len(text)), text, *codes])


def _unpack(body: bytes) -> tuple[Plan, bytes, dict[str, Any]]:
    (length,) = struct.unpack_from("<Q", body)
    header = json.loads(body[8 : 8 + length])
    codes, at = [], 8 + length
    for size in header["sizes"]:
        codes.append(body[at : at + size])
        at += size
    kernels = tuple(
        Kernel(name, code, parts, core) for (name, parts, core), code in zip(header["kernels"], codes[1:], strict=True)
    )
    calls = tuple(
        Call(kernel, tuple(Place(*place) for place in arguments), tuple(written))
        for kernel, arguments, written in header["calls"]
    )
    return Plan(kernels, calls, tuple(header["inner"])), codes[0], header["notes"]


def _make_room(place: Path, size: int) -> None:
    files = []
    for path in place.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # another process is making room too
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    total = size + sum(size for _, size, _ in files)
    for _, freed, path in sorted(files):
        if total <= MOST_BYTES:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= freed


_told = False


def _tell(problem: str) -> None:
    """Say once in a process that the cache cannot be used, and why."""
    global _told
    if _told:
        return
    _told = True
    text = f"compiled steps are not kept from one process to the next: {problem}"
    with contextlib.suppress(UserWarning):  # where warnings are errors: a cache must not stop anybody
        warnings.warn(text, UserWarning, stacklevel=2)
