"""Names of ranking measures: ours, ir_measures' (aliases, parameters and objects) and trec_eval's."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .errors import InvalidArgument
from .quoting import quoted

MeasureNames: TypeAlias = Sequence[Any] | str | Any
"""Names, or measure objects of ir_measures; also a single one."""

Parameter: TypeAlias = int | float | bool | str | dict[int, int]


@dataclass(frozen=True)
class Kind:
    """What one measure is given.

    Attributes:
        parameters: its parameters, with the value of those that need not be given (None: absent).
        at: the parameter that ``@`` sets; None: it takes no ``@``.
        required: parameters without which it has no meaning.
        lists: whether it needs the length of each ranked list, which ranks alone do not tell.
        judgements: whether it needs documents that were judged irrelevant.
        counts: whether it counts; means over queries are then sums.
    """

    parameters: Mapping[str, Parameter | None]
    at: str | None = None
    required: tuple[str, ...] = ()
    lists: bool = False
    judgements: bool = False
    counts: bool = False


_BINARY: dict[str, Parameter | None] = {"rel": 1, "judged_only": False}
_CUT: dict[str, Parameter | None] = {"cutoff": None, **_BINARY}

KINDS: dict[str, Kind] = {
    "AP": Kind(_CUT, "cutoff"),
    "RR": Kind(_CUT, "cutoff"),
    "nDCG": Kind({"cutoff": None, "dcg": "log2", "gains": None, "judged_only": False}, "cutoff"),
    "R": Kind(_CUT, "cutoff", ("cutoff",)),
    "P": Kind(_CUT, "cutoff", ("cutoff",)),
    "Success": Kind(_CUT, "cutoff", ("cutoff",)),
    "Rprec": Kind(_BINARY),
    "IPrec": Kind({"recall": None, **_BINARY}, "recall", ("recall",)),
    "Bpref": Kind({"rel": 1}, judgements=True),
    "infAP": Kind({"rel": 1}, judgements=True),
    "ERR": Kind({"cutoff": None}, "cutoff"),
    "RBP": Kind({"cutoff": None, "p": 0.8, "rel": None}, "cutoff", ("rel",)),
    "Judged": Kind({"cutoff": None}, "cutoff", lists=True),
    "SetP": Kind({**_BINARY, "relative": False}, lists=True),
    "SetR": Kind({"rel": 1}),
    "SetF": Kind({**_BINARY, "beta": 1.0}, lists=True),
    "SetAP": Kind(_BINARY, lists=True),
    "NumRet": Kind({"rel": None}, lists=True, counts=True),
    "NumRel": Kind({"rel": 1}, counts=True),
    "NumQ": Kind({}, counts=True),
    "rank_distance": Kind({}),
    "Max@R": Kind({}),
}
"""The measures there are, by ir_measures' names, and the two of language bias."""

ALIASES: dict[str, tuple[str, dict[str, Parameter]]] = {
    "MAP": ("AP", {}),
    "MRR": ("RR", {}),
    "NDCG": ("nDCG", {}),
    "Recall": ("R", {}),
    "Precision": ("P", {}),
    "RPrec": ("Rprec", {}),
    "BPref": ("Bpref", {}),
    "SetRelP": ("SetP", {"relative": True}),
    "NumRelRet": ("NumRet", {"rel": 1}),
}

_CUTOFFS = (5, 10, 15, 20, 30, 100, 200, 500, 1000)

TREC_EVAL: dict[str, tuple[str, dict[str, Parameter], str, tuple[float, ...]]] = {
    "map": ("AP", {}, "", ()),
    "map_cut": ("AP", {}, "cutoff", _CUTOFFS),
    "recip_rank": ("RR", {}, "", ()),
    "ndcg": ("nDCG", {}, "", ()),
    "ndcg_cut": ("nDCG", {}, "cutoff", _CUTOFFS),
    "P": ("P", {}, "cutoff", _CUTOFFS),
    "recall": ("R", {}, "cutoff", _CUTOFFS),
    "success": ("Success", {}, "cutoff", (1, 5, 10)),
    "Rprec": ("Rprec", {}, "", ()),
    "bpref": ("Bpref", {}, "", ()),
    "infAP": ("infAP", {}, "", ()),
    "iprec_at_recall": ("IPrec", {}, "recall", tuple(tenth / 10 for tenth in range(11))),
    "set_P": ("SetP", {}, "", ()),
    "set_relative_P": ("SetP", {"relative": True}, "", ()),
    "set_recall": ("SetR", {}, "", ()),
    "set_F": ("SetF", {}, "beta", (1.0,)),
    "set_map": ("SetAP", {}, "", ()),
    "num_ret": ("NumRet", {}, "", ()),
    "num_rel": ("NumRel", {}, "", ()),
    "num_rel_ret": ("NumRet", {"rel": 1}, "", ()),
    "num_q": ("NumQ", {}, "", ()),
}
"""trec_eval's names: measure, fixed parameters, and the parameter that follows with its usual values."""

_ELSEWHERE = {
    "hit_rate": "Success",
    "hit": "Success",
    "hits": "NumRelRet",
    "precision": "P",
    "r-precision": "Rprec",
    "ndcg_at": "ndcg_cut",
    "map_at": "map_cut",
    "recall_at": "recall",
    "precision_at": "P",
    "mrr_at": "MRR",
    "accuracy": "Success",
}
"""What other libraries call the same, for suggestions."""

KNOWN = (
    "AP, AP@k, RR, RR@k, nDCG, nDCG@k, R@k, P@k, Success@k, rank_distance, Max@R, Rprec, IPrec@recall, "
    "Bpref, infAP, ERR, ERR@k, RBP(rel=1), Judged, Judged@k, SetP, SetRelP, SetR, SetF, SetAP, NumRet, "
    "NumRel, NumRelRet, NumQ"
)

_LONGEST = 400


@dataclass(frozen=True)
class MeasureName:
    """One measure as it was asked for.

    Attributes:
        text: what results are called.
        kind: key of :data:`KINDS`.
        given: all its parameters; None where one is absent.
    """

    text: str
    kind: str
    given: Mapping[str, Any]

    @property
    def lists(self) -> bool:
        """Whether the length of each ranked list is needed."""
        return KINDS[self.kind].lists and not (self.kind == "NumRet" and self.given["rel"] is not None)

    @property
    def judgements(self) -> bool:
        """Whether documents judged irrelevant are needed."""
        return KINDS[self.kind].judgements or bool(self.given.get("judged_only"))


def measure_names(names: MeasureNames) -> list[MeasureName]:
    """Return the measures that names or objects mean, each name once, in their order.

    Args:
        names: names as in ir_measures (``"nDCG@10"``, ``"P(rel=2)@5"``, ``"MRR@10"``) or trec_eval
            (``"ndcg_cut_10"``; ``"P.5,10"`` and ``"recall"`` mean several), or measure objects of
            ir_measures; also one alone.

    Raises:
        InvalidArgument: an unknown name (the nearest known is named), or a wrong parameter.
        TypeError: neither text nor a measure.
    """
    several: Iterable[Any]
    if isinstance(names, str) or _is_measure(names):
        several = [names]
    elif isinstance(names, Iterable) and not isinstance(names, bytes | Mapping):
        several = names
    else:
        raise TypeError(f"measures are {type(names).__name__}, expected a list of names")
    found: dict[str, MeasureName] = {}
    for item in several:
        if isinstance(item, str):
            parsed = _parsed(str(item))
        elif _is_measure(item):
            parsed = [_checked(str(item), *_resolved(str(item), str(item.NAME)), dict(item.params))]
        else:
            raise TypeError(f"a measure is {item!r}, expected its name")
        for name in parsed:
            found.setdefault(name.text, name)
    return list(found.values())


def measures_of_ranks(names: MeasureNames, *, judged: bool = True) -> list[MeasureName]:
    """Return the measures that names mean, all of which follow from ranks and grades.

    Args:
        names: as for :func:`measure_names`.
        judged: whether documents judged irrelevant are ranked, too.

    Raises:
        InvalidArgument, TypeError: as :func:`measure_names`; a measure that needs more than there is.
    """
    found = measure_names(names)
    for name in found:
        if name.lists:
            raise InvalidArgument(
                f"{name.text} needs the length of each ranked list, which ranks do not tell; "
                "measure a run with hybrid_fast.measure_run"
            )
        if name.judgements and not judged:
            raise InvalidArgument(
                f"{name.text} needs documents judged irrelevant, and only relevant ones are ranked here; "
                "measure a run with hybrid_fast.measure_run"
            )
    return found


def check_measures(names: MeasureNames, *, judged: bool = True) -> list[str]:
    """Refuse measures that do not exist or need more than ranks, before any work.

    Returns:
        What results will be called: the names as given.

    Raises:
        InvalidArgument, TypeError: as :func:`measures_of_ranks`; no name at all.
    """
    found = [name.text for name in measures_of_ranks(names, judged=judged)]
    if not found:
        raise InvalidArgument(f"no measures are named; known are {KNOWN}")
    return found


def _is_measure(value: object) -> bool:
    """Say whether this is a measure object of ir_measures, which is not imported for it."""
    return not isinstance(value, type) and isinstance(getattr(value, "SUPPORTED_PARAMS", None), dict)


def _parsed(text: str) -> list[MeasureName]:
    if text in KINDS and not KINDS[text].required:
        return [_checked(text, text, {}, {})]
    several = _of_trec_eval(text)
    if several:
        return several
    head, arguments, at = _split(text)
    kind, fixed = _resolved(text, head)
    if at is not None:
        setting = KINDS[kind].at
        if setting is None:
            raise InvalidArgument(f"measure {text!r}: {head} takes no @")
        if setting in arguments:
            raise InvalidArgument(f"measure {text!r} gives its {setting} twice")
        arguments[setting] = at
    return [_checked(text, kind, fixed, arguments)]


def _of_trec_eval(text: str) -> list[MeasureName]:
    """Return the measures of a name in trec_eval's own form, or none."""
    matched = re.fullmatch(r"([A-Za-z_]+?)(?:[._](\d+(?:\.\d+)?(?:,\d+(?:\.\d+)?)*))?", text, re.ASCII)
    if len(text) > _LONGEST or not matched or matched[1] not in TREC_EVAL:
        return []
    name, values = matched[1], matched[2]
    kind, fixed, parameter, usual = TREC_EVAL[name]
    if not parameter:
        return [] if values else [_checked(text, kind, fixed, {})]
    if name == "P" and not values:
        return []  # ir_measures' P, without its cutoff
    number = int if parameter == "cutoff" else float
    try:
        given = (
            [number(value) for value in values.split(",")] if values else [number(value) for value in usual]
        )
    except ValueError:
        raise InvalidArgument(f"measure {text!r}: the cutoff is not a whole number from 1") from None
    return [
        _checked(text if len(given) == 1 else f"{name}_{_number(value)}", kind, fixed, {parameter: value})
        for value in given
    ]


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def _split(text: str) -> tuple[str, dict[str, Any], Any]:
    """Return name, parameters and what follows ``@`` of ``Name(key=value)@at``."""
    try:
        if len(text) > _LONGEST:
            raise ValueError
        node = ast.parse(text, mode="eval").body
        at = None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            at = ast.literal_eval(node.right)
            if not re.fullmatch(r"[^@]*@\s*[0-9.]+\s*", text.rpartition(")")[2] or text):
                raise ValueError  # a sign or other form of number: one name a measure
            node = node.left
        arguments = {}
        if isinstance(node, ast.Call):
            if node.args or any(keyword.arg is None for keyword in node.keywords):
                raise ValueError
            named = [str(keyword.arg) for keyword in node.keywords]
            twice = next((name for name in named if named.count(name) > 1), None)
            if twice is not None:
                raise InvalidArgument(f"measure {quoted(text)} gives its {twice} twice")
            arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
            node = node.func
        if not isinstance(node, ast.Name):
            raise ValueError
    except InvalidArgument:
        raise
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise _unknown(text) from None
    return node.id, arguments, at


def _resolved(text: str, head: str) -> tuple[str, dict[str, Parameter]]:
    """Return the measure that a name or alias stands for, and the parameters that it fixes."""
    if head in KINDS:
        return head, {}
    if head in ALIASES:
        kind, fixed = ALIASES[head]
        return kind, dict(fixed)
    raise _unknown(text)


def _checked(text: str, kind: str, fixed: Mapping[str, Any], given: Mapping[str, Any]) -> MeasureName:
    """Return the measure with all its parameters, each checked."""
    known = KINDS[kind]
    for name in given:
        if name not in known.parameters:
            takes = ", ".join(known.parameters) or "no parameters"
            raise InvalidArgument(f"measure {text!r}: {kind} has no parameter {name!r}; it takes {takes}")
    values = {**known.parameters, **fixed, **given}
    for name in known.required:
        if values[name] is None:
            example = {"cutoff": f"{kind}@10", "recall": f"{kind}@0.1", "rel": f"{kind}(rel=1)"}[name]
            raise _unknown(text, f"{kind} needs its {name}, as in {example}")
    for name, value in values.items():
        if value is not None:
            values[name] = _value(text, name, value)
    return MeasureName(text, kind, values)


def _value(text: str, name: str, value: Any) -> Any:
    """Return one parameter, checked."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    number = whole or (isinstance(value, float) and math.isfinite(value))
    right, expected = {
        "cutoff": (whole and 1 <= value < 2**32, "a whole number from 1"),
        "rel": (whole and 1 <= value < 2**62, "a whole number from 1"),
        "judged_only": (isinstance(value, bool), "True or False"),
        "relative": (isinstance(value, bool), "True or False"),
        "dcg": (value in ("log2", "exp-log2") if isinstance(value, str) else False, "'log2' or 'exp-log2'"),
        "gains": (_are_gains(value), "{grade: gain} in whole numbers"),
        "recall": (number and 0 <= value <= 1, "a number from 0 to 1"),
        "p": (number and 0 < value < 1, "a number between 0 and 1"),
        "beta": (number and value > 0, "a number above 0"),
    }[name]
    if right:
        return value
    message = f"{name} is {quoted(value)}, expected {expected}"
    raise (
        _unknown(text, message) if name == "cutoff" else InvalidArgument(f"measure {quoted(text)}: {message}")
    )


def _are_gains(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(item, int) and not isinstance(item, bool) and abs(item) < 2**62
        for pair in value.items()
        for item in pair
    )


def _unknown(text: str, reason: str = "") -> InvalidArgument:
    """Return the error for a name that means nothing, with the nearest that does."""
    said = f" ({reason})" if reason else f"; did you mean {_nearest(text)!r}?"
    end = "." if reason else ""
    return InvalidArgument(
        f"unknown measure {quoted(text)}{said}{end} known are {KNOWN}, with k a whole number from 1"
    )


def _nearest(text: str) -> str:
    """Return the known name that is spelt most like this one, with the cutoff that it had."""
    from difflib import SequenceMatcher

    text = text[:60]
    matched = re.match(r"\s*([^@(.\d]*?)_?([@(.\d].*)?$", text)
    head, rest = (matched[1], matched[2] or "") if matched else (text, "")
    digits = re.search(r"\d+", rest)
    elsewhere = _ELSEWHERE.get(head.strip("_").lower())
    candidates = [elsewhere] if elsewhere else [*KINDS, *ALIASES, *TREC_EVAL]
    wanted = head.lower()

    def likeness(name: str) -> tuple[float, bool]:
        # Of equal ones the name in ir_measures' form.
        return SequenceMatcher(None, wanted, name.lower()).ratio(), name not in TREC_EVAL

    best = max(candidates, key=likeness)
    cutoff = int(digits[0]) if digits and 1 <= int(digits[0]) < 2**32 else None
    if best in TREC_EVAL and best not in KINDS:
        return f"{best}_{cutoff}" if TREC_EVAL[best][2] == "cutoff" and cutoff else best
    kind = KINDS[ALIASES.get(best, (best, {}))[0]]
    if kind.at == "recall":
        return f"{best}@0.1"
    named = f"{best}(rel=1)" if "rel" in kind.required else best
    if kind.at is None:
        return named
    if cutoff is None and "cutoff" in kind.required:
        cutoff = 10
    return f"{named}@{cutoff}" if cutoff else named
