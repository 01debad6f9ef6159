"""Evaluation with encoders whose ranks are known by hand, and against brute force."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_fast.bias import language_bias, language_share, max_at_r, rank_distance
from hybrid_fast.errors import CorpusError, InvalidArgument, InvalidShape
from hybrid_fast.evaluation import evaluate, evaluate_embeddings
from small_corpora import corpus_of


class OneHot:
    """Passage p is the unit vector e_p; a query's vector is its scores, written in its text."""

    def __init__(self, passages):
        self.passages = passages

    def encode_query(self, texts):
        return np.array([[float(score) for score in text.split()] for text in texts], dtype=np.float32)

    def encode_document(self, texts):
        return np.eye(self.passages, dtype=np.float32)[[int(text) for text in texts]]


def value(evaluation, setting, query, passage, measure):
    table = evaluation.table
    found = table[
        (table.setting == setting)
        & (table.query_language == query)
        & (table.passage_language == passage)
        & (table.measure == measure)
    ]
    assert len(found) == 1
    return found.value.item()


@pytest.fixture
def parallel():
    """Two groups in en and sw; passages 0 and 2 are English, 1 and 3 Swahili, 4 an English distractor."""
    return corpus_of(
        languages=("en", "sw"),
        queries=[("q0.en", "5 4 3 2 1", "en"), ("q0.sw", "1 5 2 4 3", "sw"),
                 ("q1.en", "5 1 4 3 2", "en"), ("q1.sw", "2 5 3 1 4", "sw")],
        passages=[("p0", "0", "en"), ("p1", "1", "sw"), ("p2", "2", "en"), ("p3", "3", "sw"),
                  ("p4", "4", "en")],
        golds={"q0.en": ["p0", "p1"], "q0.sw": ["p0", "p1"], "q1.en": ["p2", "p3"], "q1.sw": ["p2", "p3"]},
    )  # fmt: skip


def test_ranks_known_by_hand(parallel):
    found = evaluate(OneHot(5), parallel)
    # Ranks of the golds in the pool of all (p0 p1 of q0, p2 p3 of q1):
    # q0.en 1, 2 · q0.sw 5, 1 · q1.en 2, 3 · q1.sw 3, 5
    assert value(found, "multilingual", "en", "*", "AP") == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2)
    assert value(found, "multilingual", "sw", "*", "AP") == pytest.approx(
        ((1 + 2 / 5) / 2 + (1 / 3 + 2 / 5) / 2) / 2
    )
    assert value(found, "multilingual", "en", "*", "rank_distance") == pytest.approx((1 + 1) / 2)
    assert value(found, "multilingual", "sw", "*", "rank_distance") == pytest.approx((4 + 2) / 2)
    # English pool p0 p2 p4: q0.en 1, q1.en 2, q0.sw 3, q1.sw 2.
    # Swahili pool p1 p3: q0.en 1, q1.en 1, q0.sw 1, q1.sw 2.
    assert value(found, "monolingual", "en", "en", "RR") == pytest.approx((1 + 1 / 2) / 2)
    assert value(found, "monolingual", "sw", "sw", "RR") == pytest.approx((1 + 1 / 2) / 2)
    assert value(found, "cross-lingual", "en", "sw", "RR") == pytest.approx(1.0)
    assert value(found, "cross-lingual", "sw", "en", "RR") == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert value(found, "cross-lingual", "sw", "en", "R@1") == 0.0
    assert found.skipped.empty
    macro = found.macro().set_index(["setting", "measure"])
    assert macro.loc[("cross-lingual", "RR"), "value"] == pytest.approx((1 + 5 / 12) / 2)
    assert macro.loc[("cross-lingual", "RR"), "cells"] == 2
    assert macro.loc[("multilingual", "rank_distance"), "value"] == pytest.approx(2.0)


def test_tables_have_the_promised_columns(parallel):
    found = evaluate(OneHot(5), parallel, name="by hand")
    columns = ["evaluation", "setting", "query_language", "passage_language", "measure", "value"]
    assert list(found.table.columns) == [*columns, "queries"]
    assert len(found.table) == (2 + 2 + 2) * 7 + 2
    assert set(found.table.evaluation) == {"by hand"}
    per_query = found.per_query
    assert list(per_query.columns) == [*columns[:4], "query_id", "measure", "value"]
    assert per_query.value.dtype == np.float32
    means = per_query.groupby(columns[1:5], observed=True, sort=False)["value"].mean().reset_index()
    joined = found.table.merge(means, on=columns[1:5], suffixes=("", "_again"))
    assert len(joined) == len(found.table)
    np.testing.assert_allclose(joined.value, joined.value_again, rtol=1e-6)


def test_settings_and_measures_are_chosen(parallel):
    found = evaluate(OneHot(5), parallel, settings=("cross-lingual",), measures=("RR@10",))
    assert set(found.table.setting) == {"cross-lingual"}
    assert set(found.table.measure) == {"RR@10"}
    with pytest.raises(InvalidArgument, match="bilingual"):
        evaluate(OneHot(5), parallel, settings=("bilingual",))
    with pytest.raises(ValueError, match="Compat"):
        evaluate(OneHot(5), parallel, measures=("Compat",))


def test_a_pool_without_golds_is_left_out_and_counted():
    # As in MLQA-R: q1 is not in Swahili, so it cannot count against the Swahili pool; q2 has no gold at all.
    corpus = corpus_of(
        languages=("en", "sw"),
        queries=[("q0.en", "1 0 0", "en"), ("q1.en", "0 0 1", "en"), ("q2.en", "1 0 0", "en"),
                 ("q0.sw", "1 0 0", "sw")],
        passages=[("p0.en", "0", "en"), ("p0.sw", "1", "sw"), ("p1.en", "2", "en")],
        golds={"q0.en": ["p0.en", "p0.sw"], "q0.sw": ["p0.en", "p0.sw"], "q1.en": ["p1.en"]},
    )  # fmt: skip
    found = evaluate(OneHot(3), corpus)
    table = found.table.set_index(["setting", "query_language", "passage_language", "measure"])
    assert table.loc[("cross-lingual", "en", "sw", "AP"), "queries"] == 1
    assert table.loc[("monolingual", "en", "en", "AP"), "queries"] == 2
    assert table.loc[("multilingual", "en", "*", "AP"), "queries"] == 2
    # q1 has one gold: it has an average precision but no rank distance.
    assert table.loc[("multilingual", "en", "*", "rank_distance"), "queries"] == 1
    skipped = found.skipped.set_index(["setting", "query_language", "passage_language"]).queries.to_dict()
    assert skipped == {
        ("cross-lingual", "en", "sw"): 2,
        ("monolingual", "en", "en"): 1,
        ("multilingual", "en", "*"): 1,
    }


def test_query_languages_without_passages_have_cross_lingual_cells_only():
    corpus = corpus_of(
        languages=("en", "ha", "yo"),
        queries=[("q0", "1 0", "ha"), ("q1", "0 1", "yo")],
        passages=[("p0", "0", "en"), ("p1", "1", "en")],
        golds={"q0": ["p0"], "q1": ["p1"]},
    )
    found = evaluate(OneHot(2), corpus)
    cells = found.table[["setting", "query_language", "passage_language"]].drop_duplicates()
    assert cells.values.tolist() == [
        ["cross-lingual", "ha", "en"],
        ["cross-lingual", "yo", "en"],
        ["multilingual", "ha", "*"],
        ["multilingual", "yo", "*"],
    ]
    assert found.macro().query("setting == 'monolingual'").empty


def test_graded_golds_count_by_grade_and_judged_irrelevant_ones_not_at_all():
    corpus = corpus_of(
        languages=("sw",),
        queries=[("q0", "4 3 2 1", "sw"), ("q1", "4 3 2 1", "sw")],
        passages=[("p0", "0", "sw"), ("p1", "1", "sw"), ("p2", "2", "sw"), ("p3", "3", "sw")],
        golds={"q0": ["p0", "p1", "p3"], "q1": ["p0"]},
        grades={("q0", "p0"): 1, ("q0", "p1"): 2, ("q0", "p3"): 0, ("q1", "p0"): 0},
    )
    found = evaluate(OneHot(4), corpus, measures=("nDCG@10", "R@100", "AP"))
    gain, ideal = 1 + 2 / np.log2(3), 2 + 1 / np.log2(3)
    assert value(found, "monolingual", "sw", "sw", "nDCG@10") == pytest.approx(gain / ideal)
    assert value(found, "monolingual", "sw", "sw", "AP") == 1.0
    assert found.skipped.queries.tolist() == [1, 1]


def brute_force(queries, passages, corpus, setting, query_language, pool):
    """Measures of one cell by sorting the whole pool, in the plainest way."""
    query_code, codes = corpus.languages.index(query_language), np.asarray(corpus.passages.languages)
    rows = [p for p in range(len(codes)) if pool == "*" or codes[p] == corpus.languages.index(pool)]
    found = {"AP": [], "RR": [], "R@1": [], "R@10": [], "rank_distance": []}
    for q in range(len(queries)):
        golds = set(
            corpus.qrels.passages[corpus.qrels.indptr[q] : corpus.qrels.indptr[q + 1]].tolist()
        ) & set(rows)
        if corpus.queries.languages[q] != query_code or not golds:
            continue
        scores = {
            p: float(np.dot(queries[q].astype(np.float64), passages[p].astype(np.float64))) for p in rows
        }
        order = sorted(rows, key=lambda p: (-scores[p], p))
        ranks = [rank for rank, p in enumerate(order, 1) if p in golds]
        found["AP"].append(np.mean([(i + 1) / rank for i, rank in enumerate(ranks)]))
        found["RR"].append(1 / ranks[0])
        found["R@1"].append(np.mean([rank <= 1 for rank in ranks]))
        found["R@10"].append(np.mean([rank <= 10 for rank in ranks]))
        if len(ranks) > 1:
            found["rank_distance"].append(ranks[-1] - ranks[0])
    return found


def random_corpus(generator, *, languages=3, groups=6, missing=0.3):
    codes = ("en", "sw", "yo")[:languages]
    present = generator.random((2, groups, languages)) > missing
    queries = [
        (f"q{g}.{codes[n]}", "", codes[n])
        for g in range(groups)
        for n in range(languages)
        if present[0, g, n]
    ]
    passages = [
        (f"p{g}.{codes[n]}", "", codes[n])
        for g in range(groups)
        for n in range(languages)
        if present[1, g, n]
    ]
    generator.shuffle(passages)
    names = {name for name, _, _ in passages}
    golds = {q: [f"p{q[1:].split('.')[0]}.{code}" for code in codes] for q, _, _ in queries}
    golds = {q: [p for p in row if p in names] for q, row in golds.items()}
    return corpus_of(languages=codes, queries=queries, passages=passages, golds=golds)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), chunk=st.integers(1, 25))
def test_equal_to_brute_force_in_one_search_and_in_chunks(seed, chunk):
    generator = np.random.default_rng(seed)
    corpus = random_corpus(generator)
    if len(corpus.qrels.passages) == 0:
        return
    # Small integers make many ties, and float32 exact.
    queries = generator.integers(-2, 3, (len(corpus.queries), 3)).astype(np.float32)
    passages = generator.integers(-2, 3, (len(corpus.passages), 3)).astype(np.float32)

    class Lookup:
        def encode_query(self, texts):
            return queries

        def encode_document(self, texts):
            return passages[[int(text) for text in texts]]

    numbered = dataclasses.replace(corpus.passages, texts=[str(row) for row in range(len(corpus.passages))])
    corpus = dataclasses.replace(corpus, passages=numbered)
    whole = evaluate(Lookup(), corpus, top_k=5)
    parts = evaluate(Lookup(), corpus, top_k=5, chunk_size=chunk)
    pd.testing.assert_frame_equal(whole.table, parts.table)
    pd.testing.assert_frame_equal(whole.skipped, parts.skipped)
    np.testing.assert_array_equal(whole.ids, parts.ids)
    np.testing.assert_array_equal(whole.scores, parts.scores)
    np.testing.assert_array_equal(whole.pool_ranks, parts.pool_ranks)
    for (setting, query, pool), rows in whole.table.groupby(
        ["setting", "query_language", "passage_language"]
    ):
        expected = brute_force(queries, passages, corpus, setting, query, pool)
        for measure, count, mean in zip(rows.measure, rows.queries, rows.value, strict=True):
            if measure in expected and (measure != "rank_distance" or setting == "multilingual"):
                assert count == len(expected[measure])
                assert mean == pytest.approx(np.mean(expected[measure]))


def test_files(parallel, tmp_path):
    found = evaluate(OneHot(5), parallel, top_k=5)
    found.write(tmp_path / "out", run=True)
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    pd.testing.assert_frame_equal(table, found.table, check_dtype=False)
    per_query = pd.read_parquet(tmp_path / "out" / "per_query.parquet")
    assert len(per_query) == len(found.per_query)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "table.csv", "macro.csv", "skipped.csv", "table.parquet", "per_query.parquet",
        "run.trec", "qrels.trec",
    }  # fmt: skip


def test_the_run_file_gives_trec_eval_the_same_measures(parallel, tmp_path):
    ir_measures = pytest.importorskip("ir_measures")
    found = evaluate(OneHot(5), parallel, top_k=5)
    found.write(tmp_path, run=True)
    run = ir_measures.read_trec_run(str(tmp_path / "run.trec"))
    qrels = ir_measures.read_trec_qrels(str(tmp_path / "qrels.trec"))
    theirs = ir_measures.calc_aggregate([ir_measures.AP], qrels, run)[ir_measures.AP]
    ours = found.per_query.query("setting == 'multilingual' and measure == 'AP'").value.mean()
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_trec_refuses_ids_with_spaces(tmp_path):
    corpus = corpus_of(
        languages=("en",), queries=[("a b", "1", "en")], passages=[("p", "0", "en")], golds={"a b": ["p"]}
    )
    with pytest.raises(InvalidArgument, match="'a b'"):
        evaluate(OneHot(1), corpus).write(tmp_path, run=True)
    assert not (tmp_path / "run.trec").exists()


def test_bias_by_hand(parallel):
    found = evaluate(OneHot(5), parallel)
    np.testing.assert_array_equal(rank_distance(found.indptr, found.ranks), [1, 4, 1, 2])
    np.testing.assert_array_equal(max_at_r(found.indptr, found.ranks), [2, 5, 3, 5])
    # Best two: q0.en p0 p1 · q0.sw p1 p3 · q1.en p0 p2 · q1.sw p1 p4
    share = language_share(found.ids, parallel.passages.languages, 2, k=2)
    np.testing.assert_array_equal(share, [[0.5, 0.5], [0, 1], [1, 0], [0.5, 0.5]])
    table = language_bias(found, k=2).set_index(["query_language", "passage_language", "measure"]).value
    assert table["sw", "*", "rank_distance"] == 3.0
    assert table["*", "*", "rank_distance"] == 2.0
    assert table["*", "*", "Max@R"] == pytest.approx((2.5 + 5) / 2)
    assert table["en", "en", "share@2"] == 0.75
    assert table["*", "sw", "share@2"] == pytest.approx((0.25 + 0.75) / 2)
    with pytest.raises(InvalidArgument, match="top_k"):
        language_share(found.ids[:, :1], parallel.passages.languages, 2, k=2)


def test_golds_may_be_missing_for_bias():
    indptr = np.array([0, 0, 1, 3, 3])
    ranks = np.array([4, 7, 2])
    np.testing.assert_array_equal(rank_distance(indptr, ranks), [np.nan, np.nan, 5, np.nan])
    np.testing.assert_array_equal(max_at_r(indptr, ranks), [np.nan, 4, 7, np.nan])


def test_bad_input_is_named(parallel):
    with pytest.raises(InvalidShape, match="3 query embeddings for the 4 query rows"):
        evaluate_embeddings(np.zeros((3, 2), np.float32), np.zeros((5, 2), np.float32), parallel)
    with pytest.raises(TypeError, match="encode_query"):
        evaluate(object(), parallel)

    class Short(OneHot):
        def encode_document(self, texts):
            return super().encode_document(texts)[1:]

    with pytest.raises(InvalidShape, match="for 5 passages"):
        evaluate(Short(5), parallel)
    with pytest.raises(ValueError, match="NaN"):
        evaluate_embeddings(np.full((4, 2), np.nan, np.float32), np.zeros((5, 2), np.float32), parallel)
    empty = corpus_of(languages=("en",), queries=[], passages=[("p", "0", "en")], golds={})
    with pytest.raises(CorpusError, match="no queries"):
        evaluate(OneHot(1), empty)
    silent = corpus_of(languages=("en",), queries=[("q", "1", "en")], passages=[("p", "0", "en")], golds={})
    with pytest.raises(CorpusError, match="no relevant passage"):
        evaluate(OneHot(1), silent)


def test_progress_counts_texts(parallel):
    seen = []
    evaluate(OneHot(5), parallel, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 9), (9, 9)]


DATA = os.environ.get("HYBRID_FAST_DATA")


@pytest.mark.skipif(DATA is None, reason="HYBRID_FAST_DATA names no data folder")
def test_zero_shot_figures_of_the_real_encoder():
    """The figures that the encoder's README states, in float32."""
    import hybrid_fast as hf

    slow = bool(os.environ.get("HYBRID_FAST_SLOW"))
    model = Path(DATA or "").parent / "models" / "multilingual-e5-small-trimmed"
    if not model.exists():
        pytest.skip(f"no encoder in {model}")
    languages = () if slow else ("en", "ar")
    corpus = hf.load_corpus("xquad-r", path=Path(DATA or "") / "xquad-r", languages=languages)
    found = evaluate(model, corpus, measures=("AP", "R@1"))
    assert value(found, "monolingual", "en", "en", "AP") == pytest.approx(0.845, abs=0.0006)
    assert value(found, "monolingual", "en", "en", "R@1") == pytest.approx(0.767, abs=0.0006)
    assert value(found, "cross-lingual", "en", "ar", "AP") == pytest.approx(0.639, abs=0.0006)
    assert value(found, "cross-lingual", "en", "ar", "R@1") == pytest.approx(0.518, abs=0.0006)
    assert value(found, "cross-lingual", "ar", "en", "AP") == pytest.approx(0.652, abs=0.0006)
    assert value(found, "monolingual", "ar", "ar", "AP") == pytest.approx(0.763, abs=0.0006)
    if slow:
        pooled = found.table.query("setting == 'multilingual' and measure == 'AP'").value
        assert len(pooled) == 11
        assert pooled.mean() == pytest.approx(0.300, abs=0.0006)
        assert value(found, "multilingual", "en", "*", "AP") == pytest.approx(0.436, abs=0.0006)
        assert value(found, "multilingual", "zh", "*", "AP") == pytest.approx(0.111, abs=0.0006)
