"""What a model becomes on a device: its kernels as source."""

from axon_nb.insight.kernels import Kernel, Kernels, kernels

__all__ = ["Kernel", "Kernels", "kernels"]
