"""The value of every measure for every query, from the ranks and grades of its judged documents.

R is the number of relevant documents (grade at least rel), N that of documents judged irrelevant. Each
value equals that of the tool named with it, which is the one that ir_measures asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._core import measure as core_measure
from ..errors import InvalidArgument
from ..measure_names import MeasureName
from .judged import JudgedLists

Values: TypeAlias = NDArray[np.float64]

CORE = ("AP", "RR", "nDCG", "R", "P", "Success", "rank_distance", "Max@R")
"""The kinds that the compiled core computes."""

MOST_FOR_ERR = 4
MOST_FOR_EXPONENTIAL_GAIN = 62
_EPSILON = 0.00001  # of trec_eval's infAP


def values(names: Sequence[MeasureName], lists: JudgedLists) -> list[Values]:
    """Return the values of each measure, one a query.

    Raises:
        InvalidArgument: a rank below 1, or grades that a measure has no meaning for.
    """
    for name in names:
        _check_grades(name, lists)
    found: dict[str, Values] = {}
    for alike in _grouped([name for name in names if name.kind in CORE]):
        given = _seen_by(alike[0], lists)
        columns = core_measure([_core_name(name) for name in alike], given.indptr, given.ranks, given.grades)
        found |= dict(zip((name.text for name in alike), columns, strict=True))
    others = [name for name in names if name.kind not in CORE]
    if others:
        core_measure([], lists.indptr, lists.ranks, lists.grades)  # checks the ranks
        for name in others:
            found[name.text] = _OTHERS[name.kind](name.given, _seen_by(name, lists))
    return [found[name.text] for name in names]


def _check_grades(name: MeasureName, lists: JudgedLists) -> None:
    if lists.grades is None and len(lists.ranks) and (name.judgements or (name.given.get("rel") or 1) > 1):
        needed = "documents judged irrelevant" if name.judgements else "grades"
        raise InvalidArgument(
            f"{name.text} needs {needed}: pass grades= aligned with the positives (0: judged irrelevant)"
        )
    most = {"ERR": MOST_FOR_ERR}.get(name.kind)
    if name.given.get("dcg") == "exp-log2":
        most = MOST_FOR_EXPONENTIAL_GAIN
    grades = _gained(name, lists.known_grades)
    if most is not None and grades.max(initial=0) > most:
        raise InvalidArgument(f"{name.text} takes grades up to {most}, and there is {grades.max()}")


def _grouped(names: Sequence[MeasureName]) -> list[list[MeasureName]]:
    """Return the measures that see the same ranks and grades together."""
    groups: dict[str, list[MeasureName]] = {}
    for name in names:
        seen = {key: value for key, value in name.given.items() if key != "cutoff"}
        plain = seen.get("rel", 1) == 1 and not seen.get("judged_only") and not seen.get("gains")
        key = "" if plain and seen.get("dcg", "log2") == "log2" else repr(sorted(seen.items(), key=str))
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def _core_name(name: MeasureName) -> str:
    cutoff = name.given.get("cutoff")
    return name.kind if cutoff is None else f"{name.kind}@{cutoff}"


def _seen_by(name: MeasureName, lists: JudgedLists) -> JudgedLists:
    """Return ranks and grades as a measure's parameters make them."""
    given = name.given
    if given.get("gains"):
        lists = lists.graded(_gained(name, lists.known_grades))
    if given.get("judged_only"):
        lists = lists.judged_only()
    if name.kind in CORE and given.get("rel", 1) > 1:
        lists = lists.graded((lists.known_grades >= given["rel"]).astype(np.int64))
    if given.get("dcg") == "exp-log2":
        lists = lists.graded((np.int64(1) << np.maximum(lists.known_grades, 0)) - 1)
    return lists


def _gained(name: MeasureName, grades: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the gain of each grade: its own where the measure maps it to no other."""
    gains = name.given.get("gains")
    if not gains:
        return grades
    distinct, inverse = np.unique(grades, return_inverse=True)
    mapped = [gains.get(grade, grade) for grade in distinct.tolist()]
    return np.array(mapped, dtype=np.int64)[inverse]


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Values:
    """Return part / whole, 0 where there is nothing."""
    found = np.zeros(len(part))
    np.divide(part, whole, out=found, where=np.asarray(whole) != 0)
    return found


def _lengths(lists: JudgedLists) -> NDArray[np.int64]:
    if lists.retrieved is None:
        raise InvalidArgument("ranks alone do not tell the length of each ranked list")
    return lists.retrieved


def _relevant(given: Any, lists: JudgedLists) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which documents are relevant, and which of these were retrieved."""
    relevant = lists.known_grades >= (given.get("rel") or 1)
    return relevant, relevant & np.isfinite(lists.ranks)


def _rprec(given: Any, lists: JudgedLists) -> Values:
    """Return the share of relevant documents among the first R (trec_eval)."""
    relevant, found = _relevant(given, lists)
    total = lists.counted(relevant)
    return _share(lists.counted(found & (lists.ranks <= total[lists.rows])), total)


def _interpolated_precision(given: Any, lists: JudgedLists) -> Values:
    """Return the best precision from where the recall is reached on (trec_eval)."""
    lists = lists.in_order()
    relevant, found = _relevant(given, lists)
    needed = (given["recall"] * lists.counted(relevant) + 0.9).astype(np.int64)
    place = lists.so_far(found)
    counted = found & (place >= needed[lists.rows])
    precision = np.zeros(len(lists))
    np.maximum.at(precision, lists.rows[counted], place[counted] / lists.ranks[counted])
    return precision


def _binary_preference(given: Any, lists: JudgedLists) -> Values:
    """Return the mean of 1 − (irrelevant ahead, at most R) / min(R, N) (trec_eval)."""
    lists = lists.in_order()
    relevant, found = _relevant(given, lists)
    irrelevant = (lists.known_grades >= 0) & ~relevant
    total, against = lists.counted(relevant), lists.counted(irrelevant)
    ahead = lists.so_far(irrelevant)[found]
    row = lists.rows[found]
    most = np.minimum(total, against)[row]
    terms = 1.0 - np.minimum(total[row], ahead) / np.maximum(most, 1)
    return _share(lists.summed(found, terms), total)


def _inferred_precision(given: Any, lists: JudgedLists) -> Values:
    """Return inferred AP: a negative grade is a document of the pool that was not judged (trec_eval)."""
    lists = lists.in_order()
    relevant, found = _relevant(given, lists)
    unjudged = lists.known_grades < 0
    irrelevant = ~relevant & ~unjudged
    better = lists.so_far(found)[found] - 1.0
    worse, pooled = lists.so_far(irrelevant)[found], lists.so_far(unjudged)[found]
    above = lists.ranks[found] - 1.0
    first = above == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = (better + _EPSILON) / (better + worse + 2 * _EPSILON)
        expected = above / (above + 1.0) * ((better + worse + pooled) / above) * precision
    terms = np.where(first, 1.0, 1.0 / (above + 1.0) + np.where(first, 0.0, expected))
    return _share(lists.summed(found, terms), lists.counted(relevant))


def _expected_reciprocal_rank(given: Any, lists: JudgedLists) -> Values:
    """Return Σ over ranks of P(stops there) / rank, stopping with (2^grade − 1) / 16 (gdeval)."""
    lists = lists.in_order()
    cutoff = np.inf if given["cutoff"] is None else given["cutoff"]
    found = (lists.known_grades > 0) & np.isfinite(lists.ranks) & (lists.ranks <= cutoff)
    row, rank = lists.rows[found], lists.ranks[found]
    stops = (2.0 ** lists.known_grades[found] - 1) / 2.0**MOST_FOR_ERR
    place = lists.so_far(found)[found]
    total, going_on = np.zeros(len(lists)), np.ones(len(lists))
    for step in range(1, int(place.max(initial=0)) + 1):
        here = place == step
        query = row[here]
        total[query] += stops[here] * going_on[query] / rank[here]
        going_on[query] *= 1 - stops[here]
    return total


def _rank_biased_precision(given: Any, lists: JudgedLists) -> Values:
    """Return Σ over relevant documents of (1 − p) · p^(rank − 1) (cwl_eval)."""
    lists = lists.in_order()
    cutoff = np.inf if given["cutoff"] is None else given["cutoff"]
    found = _relevant(given, lists)[1] & (lists.ranks <= cutoff)
    terms = (1 - given["p"]) * given["p"] ** (lists.ranks[found] - 1)
    return lists.summed(found, terms)


def _judged(given: Any, lists: JudgedLists) -> Values:
    """Return the share of the first k documents with a judgement; of a shorter list, of all."""
    cutoff = np.iinfo(np.int64).max if given["cutoff"] is None else given["cutoff"]
    within = np.isfinite(lists.ranks) & (lists.ranks <= cutoff)
    return _share(lists.counted(within), np.minimum(_lengths(lists), cutoff))


def _set_precision(given: Any, lists: JudgedLists) -> Values:
    """Return the share of retrieved documents that are relevant; relative: of the best possible."""
    relevant, found = _relevant(given, lists)
    whole = _lengths(lists)
    if given.get("relative"):
        whole = np.minimum(whole, lists.counted(relevant))
    return _share(lists.counted(found), whole)


def _set_recall(given: Any, lists: JudgedLists) -> Values:
    relevant, found = _relevant(given, lists)
    return _share(lists.counted(found), lists.counted(relevant))


def _set_f(given: Any, lists: JudgedLists) -> Values:
    """Return (β + 1) · P · R / (R + β · P), as trec_eval weighs it."""
    precision, recall, beta = _set_precision(given, lists), _set_recall(given, lists), given["beta"]
    return _share((beta + 1) * precision * recall, recall + beta * precision)


def _set_ap(given: Any, lists: JudgedLists) -> Values:
    return _set_precision(given, lists) * _set_recall(given, lists)


def _number_retrieved(given: Any, lists: JudgedLists) -> Values:
    if given["rel"] is None:
        return _lengths(lists).astype(np.float64)
    return lists.counted(_relevant(given, lists)[1]).astype(np.float64)


def _number_relevant(given: Any, lists: JudgedLists) -> Values:
    return lists.counted(_relevant(given, lists)[0]).astype(np.float64)


def _number_of_queries(given: Any, lists: JudgedLists) -> Values:
    return np.ones(len(lists))


_OTHERS: dict[str, Callable[[Any, JudgedLists], Values]] = {
    "Rprec": _rprec,
    "IPrec": _interpolated_precision,
    "Bpref": _binary_preference,
    "infAP": _inferred_precision,
    "ERR": _expected_reciprocal_rank,
    "RBP": _rank_biased_precision,
    "Judged": _judged,
    "SetP": _set_precision,
    "SetR": _set_recall,
    "SetF": _set_f,
    "SetAP": _set_ap,
    "NumRet": _number_retrieved,
    "NumRel": _number_relevant,
    "NumQ": _number_of_queries,
}
