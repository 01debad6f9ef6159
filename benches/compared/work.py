"""What is measured: a work, its contestants, and what we aim for."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal


@dataclass(frozen=True)
class Contestant:
    """One way of doing a work.

    Attributes:
        who: library and way.
        call: does the work, or ``share`` of it.
        share: the part of the work that a call does; its time is divided by this.
        role: ``"ours"``; ``"rival"``; ``"part"``, which does only a part of the work and is a yardstick;
            ``"read"``, which only reads the input.
        note: what a reader must know.
        check: whether an answer agrees with ours; None where there is nothing to compare.
        own_clock: whether the call returns its seconds, taken inside another process.
    """

    who: str
    call: Callable[[], Any]
    share: float = 1.0
    role: Literal["ours", "rival", "part", "read"] = "rival"
    note: str = ""
    check: Callable[[Any], bool] | None = None
    own_clock: bool = False


@dataclass(frozen=True)
class Aim:
    """A figure that we set ourselves.

    Attributes:
        times: how many times faster than the fastest of ``against``.
        against: names of contestants (beginnings); empty: all rivals.
        read: share of the pure read to reach with one thread where a core reads up to 20 GB/s, with
            one thread where it reads more, and with several threads; None: no such aim.
        rate: amount a second to reach, in the work's unit.
        within: seconds to reach.
        of: the contestant that ``rate`` or ``within`` is for (beginning of its name); empty: ours.
    """

    times: float | None = None
    against: tuple[str, ...] = ()
    read: tuple[float, float, float | None] | None = None
    rate: float | None = None
    within: float | None = None
    of: str = ""


@dataclass(frozen=True)
class Work:
    """Something that several libraries can do.

    Attributes:
        title: what and how much, with its sizes.
        amount: bytes of scores, multiply-adds or pairs of the whole work; 0: only its time counts.
        unit: what ``amount`` is, a second and in multiples of ``scale``.
        contestants: ours first.
        aims: what we aim for.
        data: how the input was made, in a sentence.
        scale: what ``unit`` counts by.
        clock: ``"wall"``, or ``"processor"`` for the seconds that processors worked.
    """

    title: str
    amount: float
    unit: str
    contestants: list[Contestant]
    aims: tuple[Aim, ...] = ()
    data: str = ""
    scale: float = 1e9
    clock: Literal["wall", "processor"] = "wall"


@dataclass
class Setting:
    """What all works share.

    Attributes:
        threads: for everybody.
        quick: tiny sizes.
        options: of the command line.
        missing: rivals that could not be imported.
    """

    threads: int
    quick: bool
    options: argparse.Namespace
    missing: set[str] = field(default_factory=set)

    @property
    def large(self) -> bool:
        """Whether works on 100 million rows are asked for."""
        return bool(self.options.full)

    def library(self, name: str) -> ModuleType | None:
        """Import a rival; None, and a line in the report, where it is not installed."""
        try:
            module = importlib.import_module(name)
        except ImportError:
            self.missing.add(name.partition(".")[0])
            return None
        if name == "torch":
            module.set_num_threads(self.threads)
        if name == "faiss":
            module.omp_set_num_threads(self.threads)
        return module
