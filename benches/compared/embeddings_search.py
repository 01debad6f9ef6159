"""The best passages of each query, from embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hybrid_fast as hf
from compared.embeddings import DESCRIPTION, parallel
from compared.matrix_products import blocks, products
from compared.rows import over_rows
from compared.work import Aim, Contestant, Setting, Work

K = 100
PRODUCTS = ("NumPy matrix product alone", "torch matrix product alone")


def sizes(setting: Setting) -> tuple[int, int, int]:
    """Return queries, passages and dimension."""
    return (40, 3000, 64) if setting.quick else (1000, 200_000, 384)


def anisotropic(setting: Setting) -> Work:
    """Search embeddings of mean cosine .7."""
    queries, passages, dimension = sizes(setting)
    made = parallel(queries, passages, dimension, 11)
    aims = (Aim(2.5, PRODUCTS), Aim(4))
    return searched(made.queries, made.passages, setting, aims, DESCRIPTION, rivals=True)


def isotropic(setting: Setting) -> Work:
    """Search normal embeddings, whose best scores stand less apart."""
    queries, passages, dimension = sizes(setting)
    rng = np.random.default_rng(13)
    q = rng.standard_normal((queries, dimension), dtype=np.float32)
    p = rng.standard_normal((passages, dimension), dtype=np.float32)
    return searched(q, p, setting, (), "independent normal coordinates", rivals=False)


def searched(
    q: NDArray[np.float32],
    p: NDArray[np.float32],
    setting: Setting,
    aims: tuple[Aim, ...],
    data: str,
    rivals: bool,
) -> Work:
    """Gather the contestants."""

    def ours(precision: str) -> NDArray[np.int64]:
        return hf.search(q, p, K, precision=precision, threads=setting.threads).ids

    expected = ours("auto")

    def same(ids: Any) -> bool:
        # Their sums round otherwise, so near-ties may change places.
        found = np.sort(np.asarray(ids), axis=1)
        return bool((found == np.sort(expected[: len(found)], axis=1)).mean() > 0.99)

    contestants = [
        Contestant("hybrid_fast", lambda: ours("auto"), role="ours"),
        Contestant('hybrid_fast, precision="f32"', lambda: ours("f32"), role="part", check=same),
    ]
    contestants += products(q, p, setting)
    if rivals:
        contestants += numpy_search(q, p, setting.threads, same)
        for make in (torch_search, faiss_search, sentence_transformers_search, usearch_search):
            contestants += make(q, p, setting, same)
    return Work(
        f"exact top-{K}, {len(q):,} × {q.shape[1]} against {len(p):,} × {q.shape[1]} f32",
        float(len(q)) * len(p) * q.shape[1],
        "G multiply-adds/s",
        contestants,
        aims,
        data,
    )


def numpy_search(
    q: NDArray[np.float32], p: NDArray[np.float32], threads: int, same: Callable[[Any], bool]
) -> list[Contestant]:
    """Return the product into memory that is there already, then a selection in each row."""
    memory = np.empty((len(q), len(p)), dtype=np.float32)

    def search() -> NDArray[np.int64]:
        ids = np.empty((len(q), K), dtype=np.int64)
        scores = np.matmul(q, p.T, out=memory)

        def select(start: int, stop: int) -> None:
            for query, row in enumerate(scores[start:stop], start):
                best = np.argpartition(row, len(row) - K)[len(row) - K :]
                ids[query] = best[np.argsort(-row[best])]

        over_rows(len(q), threads, select)
        return ids

    return [Contestant("NumPy product + argpartition", search, check=same)]


def torch_search(
    q: NDArray[np.float32], p: NDArray[np.float32], setting: Setting, same: Callable[[Any], bool]
) -> list[Contestant]:
    """Return the whole product with one top-k, and blocks of passages with a running one."""
    torch = setting.library("torch")
    if torch is None:
        return []
    queries, passages = torch.from_numpy(q), torch.from_numpy(p)
    memory = torch.empty((len(q), len(p)))

    def whole() -> Any:
        return torch.mm(queries, passages.T, out=memory).topk(K)[1].numpy()

    def in_blocks() -> Any:
        values, ids = torch.empty((len(q), 0)), torch.empty((len(q), 0), dtype=torch.int64)
        for some in blocks(len(p), len(q)):
            scores, found = torch.mm(queries, passages[some].T).topk(
                min(K, some.stop - some.start), sorted=False
            )
            found += some.start
            values, ids = torch.cat([values, scores], 1), torch.cat([ids, found], 1)
            values, places = values.topk(min(K, values.shape[1]))
            ids = ids.gather(1, places)
        return ids.numpy()

    return [
        Contestant("torch product + topk", whole, check=same),
        Contestant("torch product + topk, blocks of passages", in_blocks, check=same),
    ]


def faiss_search(
    q: NDArray[np.float32], p: NDArray[np.float32], setting: Setting, same: Callable[[Any], bool]
) -> list[Contestant]:
    """Return the flat index; filling it is not timed."""
    faiss = setting.library("faiss")
    if faiss is None:
        return []
    index = faiss.IndexFlatIP(q.shape[1])
    index.add(p)
    return [
        Contestant(
            "faiss IndexFlatIP", lambda: index.search(q, K)[1], note="filling the index not timed", check=same
        )
    ]


def sentence_transformers_search(
    q: NDArray[np.float32], p: NDArray[np.float32], setting: Setting, same: Callable[[Any], bool]
) -> list[Contestant]:
    """Return ``semantic_search`` with the inner product."""
    torch = setting.library("torch")
    if torch is None or setting.library("sentence_transformers") is None:
        return []
    from sentence_transformers.util import dot_score, semantic_search

    queries, passages = torch.from_numpy(q), torch.from_numpy(p)

    def search() -> NDArray[np.int64]:
        found = semantic_search(queries, passages, top_k=K, score_function=dot_score)
        return np.array([[hit["corpus_id"] for hit in row] for row in found])

    return [Contestant("sentence-transformers semantic_search", search, check=same)]


def usearch_search(
    q: NDArray[np.float32], p: NDArray[np.float32], setting: Setting, same: Callable[[Any], bool]
) -> list[Contestant]:
    """Return usearch's exact search, on a part of the queries."""
    index = setting.library("usearch.index")
    if index is None:
        return []
    rows = max(1, len(q) // 10)

    def search() -> Any:
        return index.search(
            p, q[:rows], K, index.MetricKind.IP, exact=True, threads=setting.threads, dtype="f32"
        ).keys

    return [Contestant("usearch exact", search, rows / len(q), check=same)]
