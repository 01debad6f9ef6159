"""From the name of a device to the device."""

from __future__ import annotations

import torch

from ..errors import NotSupported


def cuda_device(name: str) -> torch.device:
    """Return the device that ``"cuda"`` or ``"cuda:<number>"`` means, with its number.

    Raises:
        NotSupported: torch finds no CUDA device, or not that one.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise NotSupported(
            f"device={name!r} needs a CUDA device, and torch finds none here; use device='cpu'"
        )
    device = torch.device(name)
    number = torch.cuda.current_device() if device.index is None else device.index
    if number >= count:
        raise NotSupported(
            f"device={name!r} is not there: torch finds {count} CUDA device(s), numbered from 0"
        )
    return torch.device("cuda", number)
