"""Owns the way to tinygrad's runtime: compiler, devices, lock, programs, random numbers. All else goes through here.

Knows nothing about layers, models or notebooks.

Importing it sets the CPU compiler, its cache and workers, and the default device. It opens no device and tries none.
"""

from axon_nb.engine import choices as _choices
from axon_nb.engine import devices as _devices
from axon_nb.engine import llvm as _llvm
from axon_nb.engine import lock as _lock
from axon_nb.engine import sizes as _sizes
from axon_nb.engine import workers as _workers
from axon_nb.engine.ahead import AHEAD
from axon_nb.engine.capture import copied
from axon_nb.engine.devices import DeviceInfo, DeviceList, as_device, choose, default_device, devices, failed, ready
from axon_nb.engine.interrupt import interrupt_if_due, interruptible, uninterrupted
from axon_nb.engine.lock import RUNTIME, exclusive
from axon_nb.engine.marks import marks
from axon_nb.engine.program import Program, empty
from axon_nb.engine.random import generator, uniform, words
from axon_nb.engine.replays import Signature
from axon_nb.engine.settings import SETTINGS, Settings
from axon_nb.engine.steps import compiled_kernels
from axon_nb.engine.transfer import Slots, download, from_bytes, overwrite, settle, to_bytes, upload

__all__ = [
    "AHEAD",
    "RUNTIME",
    "SETTINGS",
    "DeviceInfo",
    "DeviceList",
    "Program",
    "Settings",
    "Signature",
    "Slots",
    "as_device",
    "choose",
    "compiled_kernels",
    "copied",
    "default_device",
    "devices",
    "download",
    "empty",
    "exclusive",
    "failed",
    "from_bytes",
    "generator",
    "interrupt_if_due",
    "interruptible",
    "marks",
    "overwrite",
    "ready",
    "settle",
    "to_bytes",
    "uniform",
    "uninterrupted",
    "upload",
    "words",
]

_llvm.install()
_choices.install()
_sizes.install()
_lock.share_cache()
_workers.settle_workers()
_devices.use_default()
