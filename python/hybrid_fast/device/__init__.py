"""Search on a CUDA device through torch; loaded only when one is asked for."""

from .named import cuda_device
from .scorer import DeviceScorer

__all__ = ["DeviceScorer", "cuda_device"]
