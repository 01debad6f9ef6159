"""Keeps the libraries below from writing to the terminal: only the command line draws there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers.utils import logging as transformers_logging

_LOUD: Any = transformers_logging  # its switches carry no types


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars, notes and warnings of transformers and sentence-transformers for a while."""
    sentence_logger = logging.getLogger("sentence_transformers")
    hub_logger = logging.getLogger("huggingface_hub")
    levels = sentence_logger.level, hub_logger.level
    verbosity = _LOUD.get_verbosity()
    bars = _LOUD.is_progress_bar_enabled()
    sentence_logger.setLevel(logging.ERROR)
    hub_logger.setLevel(logging.ERROR)
    _LOUD.set_verbosity_error()
    _LOUD.disable_progress_bar()
    try:
        yield
    finally:
        sentence_logger.setLevel(levels[0])
        hub_logger.setLevel(levels[1])
        _LOUD.set_verbosity(verbosity)
        if bars:
            _LOUD.enable_progress_bar()
