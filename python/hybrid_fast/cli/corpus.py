"""``hybrid-fast corpus``: what a corpus holds, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .tables import FactTable, ValueTable
from .targets import check_file

if TYPE_CHECKING:
    from ..corpus import Corpus, Description

MOST_STRATA = 12
"""Most languages of which the whole matrix of strata is shown."""


def corpus(
    name: str,
    *,
    path: Path | None = None,
    languages: tuple[str, ...] = (),
    split: str | None = None,
    articles: Literal["all", "even", "odd"] = "all",
    groups: int | None = None,
    repository: str | None = None,
    columns: tuple[str, ...] = (),
    missing: Literal["refuse", "drop"] = "refuse",
    against: tuple[str, ...] = (),
    near_duplicates: bool | None = None,
    json: Path | None = None,
) -> None:
    """Describe a corpus: groups, rows per language, strata, shared passages, near-duplicates, overlap.

    For example: hybrid-fast corpus xquad-r --path data/xquad-r --languages en de --against mlqa-r

    Parameters
    ----------
    name:
        Reader: demo, xquad-r, mlqa-r, afriqa, ntrex-128, tico-19, squad-sentences, jaquad, cmrc2018,
        arcd, amqa, table (our own layout), miracl, beir or hub.
    path:
        The data set's folder, or the folder it lies in; default: below HYBRID_FAST_DATA.
    languages:
        Keep only these languages (any code of a language: sw, swa, swh).
    split:
        train, dev or test, where the source has several.
    articles:
        Keep the articles at even or odd positions, counted from 0.
    groups:
        Keep a fixed random sample of this many groups.
    repository:
        Name of the data set on the Hugging Face hub (reader hub).
    columns:
        Names of the columns query, passage and, if present, language and group (reader hub).
    missing:
        Judgements of queries or passages that the source lacks: refuse, or drop and count them
        (readers miracl, beir and table).
    against:
        Evaluation sets to compare with: NAME, found beside the corpus or below HYBRID_FAST_DATA, or
        NAME:FOLDER.
    near_duplicates:
        Look for passages that are nearly equal; default: if there are at most 50,000 passages.
    json:
        Write one JSON object to this file instead of printing tables; without a file, or "-", to
        standard output.
    """
    from ..config import SourceConfig
    from ..corpus import describe, load_source
    from .console import console, write_json

    source = SourceConfig(
        name=name,
        path=path,
        languages=languages,
        split=split,
        articles=articles,
        groups=groups,
        repository=repository,
        columns=columns,
        missing=missing,
    )
    if json is not None:
        check_file(json, "--json")
    loaded = load_source(source)
    sets = {item: _evaluation(item, path) for item in against}
    description = describe(loaded, sets, similar=near_duplicates)
    if json is not None:
        write_json(json, description.to_mapping())
        return
    for table in (
        _summary(description),
        _languages(description),
        *_strata(description),
        *_overlap(description),
    ):
        console.print(table)


def _evaluation(item: str, path: Path | None) -> Corpus:
    from ..corpus import load_corpus

    name, _, folder = item.partition(":")
    if folder:
        return load_corpus(name, path=folder)
    if path is not None:
        for root in (path, path.resolve().parent):
            if (root / name).is_dir():
                return load_corpus(name, path=root / name)
    return load_corpus(name)


def _summary(description: Description) -> FactTable:
    joined = [(size, count) for size, count in description.joined_sizes.items() if size > 1]
    in_joined = sum(size * count for size, count in joined)
    return FactTable(
        f"Corpus {description.name}",
        [
            ("groups", f"{description.groups:,}"),
            ("queries", f"{description.queries:,}"),
            ("passages", f"{description.passages:,}"),
            ("documents", f"{description.documents:,}"),
            ("languages", f"{len(description.languages):,}"),
            ("judgements", f"{description.judgements:,}"),
            *(
                [("judgements of what is not there", f"{description.dropped_judgements:,}, left out")]
                if description.dropped_judgements
                else []
            ),
            ("queries without a gold passage", f"{description.queries_without_gold:,}"),
            ("query identities", f"{description.query_identities:,}"),
            ("passage identities", f"{description.passage_identities:,}"),
            (
                "groups joined by a shared passage",
                f"{in_joined:,} in {sum(count for _, count in joined):,} identities (largest "
                f"{max(description.joined_sizes, default=0):,})",
            ),
            ("fingerprint", description.fingerprint[:16]),
        ],
    )


def _languages(description: Description) -> ValueTable:
    table = ValueTable(
        "Rows per language",
        ["code", "language", "script"],
        ["queries", "passages", "pairs", "shared", "equal", "near"],
        keys=1,
        caption="pairs: monolingual ones · shared: those whose passage answers another question too · "
        "equal: passages equal to an earlier one · near: pairs of passages with a Jaccard similarity of "
        "character 5-grams of 0.8 or more",
    )
    for item in description.languages:
        numbers = (item.queries, item.passages, item.monolingual, item.sharing, item.equal_passages)
        near = "–" if item.near_duplicates is None else f"{item.near_duplicates:,}"
        table.add([item.code, item.name, item.script], [*(f"{number:,}" for number in numbers), near])
    return table


def _strata(description: Description) -> list[ValueTable]:
    codes = [item.code for item in description.languages]
    strata = description.strata
    mono = int(strata.diagonal().sum())
    cross = strata.copy()
    cross[range(len(codes)), range(len(codes))] = 0
    summary = ValueTable("Strata", ["kind"], ["strata with pairs", "pairs", "smallest", "largest"])
    for kind, sizes, total in (
        ("monolingual", strata.diagonal()[strata.diagonal() > 0], mono),
        ("cross-lingual", cross[cross > 0], int(cross.sum())),
    ):
        ends = (int(sizes.min()), int(sizes.max())) if len(sizes) else (0, 0)
        summary.add([kind], [f"{len(sizes):,}", f"{total:,}", *(f"{end:,}" for end in ends)])
    if not 1 < len(codes) <= MOST_STRATA:
        return [summary]
    matrix = ValueTable("Pairs by query language (rows) and passage language", [""], codes)
    for code, row in zip(codes, strata.tolist(), strict=True):
        matrix.add([code], [f"{number:,}" for number in row])
    return [summary, matrix]


def _overlap(description: Description) -> list[ValueTable]:
    if not description.overlap:
        return []
    counted = ["documents", "queries", "passages"]
    table = ValueTable("Also in an evaluation set", ["evaluation set"], counted)
    for name, counts in description.overlap.items():
        table.add([name], [f"{counts[label]:,}" for label in counted])
    return [table]
