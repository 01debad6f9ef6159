"""Corpora written out by hand, for tests."""

import numpy as np

from hybrid_fast.corpus import Cells, Corpus, Qrels, Rows


def rows_of(entries, languages):
    return Rows(
        ids=[name for name, _, _ in entries],
        texts=[text for _, text, _ in entries],
        languages=np.array([languages.index(code) for _, _, code in entries], dtype=np.int16),
        documents=[""] * len(entries),
    )


def corpus_of(*, languages, queries, passages, golds, grades=None, name="by-hand"):
    """Make a corpus for evaluation from (id, text, language) entries and query id → gold passage ids."""
    row = {name: position for position, (name, _, _) in enumerate(passages)}
    indptr, ids, values = [0], [], []
    for query, _, _ in queries:
        for passage in sorted(golds.get(query, []), key=row.__getitem__):
            ids.append(row[passage])
            values.append((grades or {}).get((query, passage), 1))
        indptr.append(len(ids))
    none = np.zeros(0, dtype=np.int64)
    return Corpus(
        name=name,
        languages=tuple(languages),
        queries=rows_of(queries, languages),
        passages=rows_of(passages, languages),
        group_ids=[],
        cells=Cells(
            group=none, language=none, query=none, passage=none, query_identity=none, passage_identity=none
        ),
        qrels=Qrels(
            indptr=np.array(indptr, dtype=np.int64),
            passages=np.array(ids, dtype=np.int64),
            grades=np.array(values, dtype=np.int64),
        ),
    )
