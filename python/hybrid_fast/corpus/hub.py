"""Question-passage data on the Hugging Face hub, through the package ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import CorpusError
from ..quoting import quoted, shortened
from .corpus import Corpus
from .reading import whole
from .table import corpus_of_records


def read_hub(
    repository: str,
    *,
    columns: tuple[str, ...] = (),
    languages: tuple[str, ...] = (),
    split: str | None = None,
) -> Corpus:
    """Load a data set whose rows hold a query and a passage.

    Args:
        repository: name on the hub (or a local folder), a configuration after a colon:
            ``owner/name:config``.
        columns: names of the columns query, passage and, if present, language and group; default:
            query, passage, language, group as far as the data set has them. Without a group column,
            each row is a group.
        languages: without a language column, the one language of all rows.
        split: default: the only one.

    Raises:
        ImportError: the package ``datasets`` is not installed.
        CorpusError: the data set cannot be had (no network, no such name), or lacks a column.
    """
    try:
        import datasets
    except ImportError:
        raise ImportError("reader hub needs datasets; pip install 'hybrid_fast[train]' brings it") from None
    name, _, config = repository.partition(":")
    try:
        found = datasets.load_dataset(name, config or None, split=split)
    except Exception as error:  # datasets lets a dozen kinds of its dependencies through
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CorpusError(
            f"cannot load {repository!r} from the Hugging Face hub: {shortened(reason)}; check the name, "
            "configuration and split, or, without network, download it once where there is one"
        ) from error
    if isinstance(found, dict):
        if len(found) > 1:
            raise CorpusError(f"{repository} has the splits {', '.join(found)}; choose one")
        found = next(iter(found.values()))
    names = _columns(repository, columns, found.column_names)
    if "language" not in names and len(languages) != 1:
        raise CorpusError(f"{repository}: no language column is named, so give the one language of its rows")
    return corpus_of_records(name.rpartition("/")[2], _records(repository, found, names, languages))


def _columns(repository: str, given: tuple[str, ...], present: list[str]) -> dict[str, str]:
    kinds = ("query", "passage", "language", "group")
    names = (
        dict(zip(kinds, given, strict=False)) if given else {kind: kind for kind in kinds if kind in present}
    )
    missing = [kind for kind in kinds[:2] if kind not in names] or [
        column for column in names.values() if column not in present
    ]
    if missing or len(given) > len(kinds):
        raise CorpusError(
            f"{repository} has the columns {', '.join(present)}; name those of its query, passage and, if "
            f"present, language and group (columns = {list(given)} was given)"
        )
    return names


def _records(
    repository: str, rows: Any, names: dict[str, str], languages: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    one_sided = "group" in names  # only then another row may hold the other side
    for number, row in enumerate(rows):
        record = {kind: row[column] for kind, column in names.items()}
        for kind in ("query", "passage"):
            value = record[kind]
            if not (isinstance(value, str) and value.strip()) and not (value is None and one_sided):
                raise CorpusError(
                    f"{repository}, row {number} (from 0), column {names[kind]!r}: the {kind} is "
                    f"{quoted(value)}, expected a text; filter the data set, or name another column"
                )
            record[kind] = None if value is None else whole(value)
        record.setdefault("group", number)
        record.setdefault("language", languages[0] if languages else None)
        yield f"{repository}, row {number} (from 0)", record
