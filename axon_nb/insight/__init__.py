"""What a model becomes on a device: its kernels as source, and how long they take."""

from axon_nb.insight.kernels import Kernel, Kernels, kernels
from axon_nb.insight.profile import Profile, profile

__all__ = ["Kernel", "Kernels", "Profile", "kernels", "profile"]
