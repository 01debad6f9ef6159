"""More than memory holds is one sentence, and what exists decides what things cost."""

import os
import subprocess
import sys
import textwrap
import time
import tracemalloc

import numpy as np
import pytest

import hybrid_fast as hf
from hybrid_fast._core import take_negatives
from hybrid_fast.arrays import fitting
from hybrid_fast.errors import HybridFastError, InternalError, InvalidArgument
from hybrid_fast.memory_maps import mapped_matrix

DOES_NOT_FIT = "do not fit memory; ask for fewer$"


def index(groups: int = 300, languages: int = 2) -> hf.PairIndex:
    cells = np.arange(groups * languages)
    names = [f"l{number}" for number in range(languages)]
    return hf.PairIndex.from_columns(cells // languages, cells % languages, cells, cells, languages=names)


@pytest.mark.parametrize("count", [2**30, 2**34, 2**40])
def test_more_batches_than_memory_holds_are_refused(count):
    for scope in ({}, {"scope": "rank", "world_size": 4}):
        sampler = hf.HybridBatchSampler(index(), 8, 0.5, batches_per_epoch=2**44, **scope)
        with pytest.raises(InvalidArgument, match=rf"\d+ batches of 8 rows {DOES_NOT_FIT}"):
            sampler.batches(5, count + 5)
        assert sampler.batch(2**40 + 1).group.shape == (8,)


def test_epochs_and_windows_that_cannot_be_counted_are_refused():
    for unit in ("batch", "row"):
        with pytest.raises(InvalidArgument, match="longer than the limit of 4611686018427387904 rows"):
            hf.HybridBatchSampler(index(), 8, 0.5, unit=unit, batches_per_epoch=2**62)
    for size, window in ((8, 2**32), (2**20, 2**13), (2**32 - 2, 2**32)):
        with pytest.raises(InvalidArgument, match="more rows than an index can have"):
            hf.HybridBatchSampler(index(), size, 0.5, scope="rank", guard_window=window)


def test_more_negatives_than_memory_holds_are_refused():
    rows = np.zeros(8, np.int64)
    for count in (2**33, 2**61, 2**63):
        with pytest.raises(InvalidArgument, match=f"{count} negatives for each of 8 rows {DOES_NOT_FIT}"):
            take_negatives(rows, rows, rows, None, rows, rows, rows.astype(np.int16), 8, count)


@pytest.mark.parametrize("k", [10**6, 2**70])
@pytest.mark.parametrize("positives", [None, (np.arange(10**6 + 1), np.zeros(10**6, np.int64))])
def test_more_passages_a_query_than_memory_holds_are_refused(k, positives):
    rows = np.zeros((10**6, 2), np.float32)
    for passages in (rows, [rows[:400_000], rows[400_000:]]):
        with pytest.raises(InvalidArgument, match=f"passages for each of 1000000 queries {DOES_NOT_FIT}"):
            hf.search(rows, passages, k, positives=positives)
    scores = np.lib.stride_tricks.as_strided(rows[:, 0].copy(), (10**6, 10**6), (0, 4))
    with pytest.raises(InvalidArgument, match=f"1000000 passages for each of 1000000 queries {DOES_NOT_FIT}"):
        hf.topk(scores, k)


def test_a_memory_error_of_numpy_is_the_same_sentence():
    with pytest.raises(InvalidArgument, match=f"7 things {DOES_NOT_FIT}"), fitting("7 things"):
        np.ones(2**57, np.int64)


def test_little_memory_is_an_error_and_no_abort():
    resource = pytest.importorskip("resource")
    assert resource.RLIMIT_AS
    script = """
        import resource
        import numpy as np, hybrid_fast as hf
        cells = np.arange(600)
        index = hf.PairIndex.from_columns(cells // 2, cells % 2, cells, cells, languages=["a", "b"])
        sampler = hf.HybridBatchSampler(index, 8, 0.5, batches_per_epoch=2**30)
        rows = np.zeros((20_000, 4), np.float32)
        sampler.batches(0, 9); hf.search(rows[:9], rows[:9], 3)
        pages = int(open("/proc/self/statm").read().split()[0])
        most = pages * resource.getpagesize() + (300 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        for call in (
            lambda: sampler.batches(0, 2**22),
            lambda: hf.search(rows, rows, 20_000),
            lambda: hf.search(rows, rows, 9_000),
        ):
            try:
                call()
            except hf.errors.InvalidArgument as error:
                assert str(error).endswith("do not fit memory; ask for fewer"), error
            else:
                raise SystemExit("no error")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("languages", "cells"), [(5_000, 1), (20_000, 7), (32_767, 1), (32_767, 3_000)])
def test_languages_without_cells_cost_nothing(tmp_path, languages, cells):
    places = np.unique(np.random.default_rng(cells).integers(0, max(cells // 2, 1) * languages, cells))
    group, language = places // languages, places % languages
    rows = np.arange(len(places))
    names = [f"l{number}" for number in range(languages)]
    tracemalloc.start()
    begun = time.process_time()
    made = hf.PairIndex.from_columns(group, language, rows, rows, languages=names)
    sampler = hf.HybridBatchSampler(made, 1, 1.0, batches_per_epoch=200)
    found = hf.simulate(sampler)
    spent, most = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spent < 5, spent
    assert most < 100 << 20
    table = np.zeros((cells // 2 + 1, languages), bool)
    table[group, language] = True
    expected = [
        (query, passage, int((table[:, query] & table[:, passage]).sum()))
        for query in np.unique(language)
        for passage in np.unique(language[np.isin(group, group[language == query])])
    ]
    assert list(zip(*(column.tolist() for column in made.stratum_sizes), strict=True)) == expected
    assert sum(found.exposure.by_stratum.rows) == found.rows == 200
    left_out = languages - len(np.unique(language)) + languages**2 - languages
    left_out -= sum(query != passage for query, passage, _ in expected)
    assert len(sampler.left_out) == left_out
    made.save(tmp_path / "index")
    assert (tmp_path / "index").stat().st_size < 200 * (languages + len(places))
    again = hf.HybridBatchSampler(hf.PairIndex.open(tmp_path / "index"), 1, 1.0, batches_per_epoch=200)
    assert hf.simulate(again).digest == found.digest


def test_a_table_of_all_language_pairs_is_refused_where_it_does_not_fit():
    rows = np.arange(32_767)
    names = [f"l{number}" for number in rows]
    made = hf.PairIndex.from_columns(rows * 0, rows, rows, rows, languages=names)
    with pytest.raises(InvalidArgument, match=f"1073676289 language pairs {DOES_NOT_FIT}"):
        hf.HybridBatchSampler(made, 1, 1.0)


@pytest.mark.parametrize("seed", range(6))
def test_left_out_is_what_a_table_says(seed):
    random = np.random.default_rng(seed)
    languages = 2 + 2 * seed
    places = np.unique(random.integers(0, 30 * languages, 4 + 8 * seed))
    query = np.where(random.random(len(places)) < 0.3, -1, np.arange(len(places)))
    query[0] = 0
    names = tuple(f"l{number}" for number in range(languages))
    made = hf.PairIndex.from_columns(
        places // languages, places % languages, query, np.arange(len(places)), languages=names
    )
    sampler = hf.HybridBatchSampler(made, 1, 1.0, batches_per_epoch=3)
    missing = np.argwhere(made.strata == 0)
    expected = [name for number, name in enumerate(names) if made.strata[number, number] == 0]
    expected += [f"{names[one]}→{names[other]}" for one, other in missing if one != other]
    assert sampler.left_out == tuple(expected)
    assert [sampler.left_out[place] for place in range(-len(expected), 0)] == expected
    assert sampler.left_out[1:5] == tuple(expected[1:5])
    with pytest.raises(IndexError):
        sampler.left_out[len(expected)]


def test_a_panic_is_an_error_of_the_package():
    xxhash = pytest.importorskip("xxhash")
    random = np.random.default_rng(0)
    rows = random.permutation(3_000)
    made = hf.PairIndex.from_columns(rows // 2, rows % 2, rows, rows, languages=["a", "b"])
    # A file that lies: its checksums are right and its content is impossible.
    content = np.frombuffer(made._core.to_bytes(b"note"), np.uint8).copy()
    header = int(content[16:24].view("<u8")[0])
    start = -(-header // 64) * 64
    content[start + 64 :] = 0xFF
    words = content[:header].view("<u8")
    words[4] = xxhash.xxh3_64_intdigest(content[start:].tobytes())
    for block in range(int(words[5])):
        piece = content[start + (block << 16) :][: 1 << 16]
        words[6 + block] = xxhash.xxh3_64_intdigest(piece.tobytes())
    words[-1] = xxhash.xxh3_64_intdigest(content[: header - 8].tobytes())
    lying, note = hf._core.PairIndex.from_bytes(content.tobytes())
    assert note == b"note"
    with pytest.raises(InternalError, match=r"met a fault of its own: .*\.rs:\d+\); please report it"):
        hf.HybridBatchSampler(hf.PairIndex(lying, ("a", "b")), 4, 0.5).batch(0)
    assert issubclass(InternalError, HybridFastError)


@pytest.mark.parametrize("languages", [2, 20, 70])
@pytest.mark.parametrize("sorted_cells", [True, False])
def test_damage_met_on_use_is_an_error_that_names_the_file(tmp_path, languages, sorted_cells):
    random = np.random.default_rng(languages)
    places = np.flatnonzero(random.random(3_000 * languages) < min(1.0, 6 / languages))
    if not sorted_cells:
        places = random.permutation(places)
    rows = np.arange(len(places))
    made = hf.PairIndex.from_columns(
        3 * (places // languages),
        places % languages,
        np.where(random.random(len(places)) < 0.1, -1, random.permutation(rows)),
        random.permutation(rows),
        languages=[f"l{number}" for number in range(languages)],
        passage_identity=random.permutation(rows) // 2,
    )

    def use(one):
        sampler = hf.HybridBatchSampler(one, 1, 0.5, batches_per_epoch=10)
        drawn = [i for row in sampler for i in row]
        parts = [len(one), one.strata.tolist(), hf.simulate(sampler).digest]
        parts += [column.tolist() for column in (*one.pairs(drawn), *one.identities(drawn))]
        one.save(tmp_path / "copy")
        return parts, (tmp_path / "copy").read_bytes()

    path, damaged = tmp_path / "index", tmp_path / "damaged"
    made.save(path)
    whole, right = path.read_bytes(), use(made)
    assert use(hf.PairIndex.open(path)) == right
    refused = []
    for _ in range(25):
        content = bytearray(whole)
        for place in random.integers(0, len(whole), random.integers(1, 4)):
            content[place] ^= random.integers(1, 256)
        damaged.write_bytes(content)
        try:
            found = use(hf.PairIndex.open(damaged))
        except InvalidArgument as error:
            refused.append(str(error))
        else:
            assert found == right
    assert len(refused) > 20
    assert all(message.startswith(str(damaged)) for message in refused)


def test_a_file_cut_while_it_is_open_is_named(tmp_path):
    path = tmp_path / "index"
    index(40_000, 3).save(path)
    opened = hf.PairIndex.open(path)
    sampler = hf.HybridBatchSampler(opened, 8, 0.5)

    def cut(done, total):
        os.truncate(path, 100)

    walk = iter(sampler)
    next(walk)
    with pytest.raises(InvalidArgument, match="index was cut from"):
        hf.simulate(sampler, threads=1, progress=cut)
    for use in (
        lambda: sampler.batch(3),
        lambda: hf.simulate(sampler),
        lambda: opened.pairs([0]),
        lambda: opened.save(tmp_path / "other"),
        lambda: hf.HybridBatchSampler(opened, 8, 0.5),
    ):
        with pytest.raises(InvalidArgument, match="index was cut from"):
            use()
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("part", [0, 1])
def test_a_shard_cut_between_two_steps_is_named(tmp_path, part):
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.npy" for number in range(2)]
    for path in paths:
        np.save(path, random.random((60_000, 64), np.float32))
    shards = [mapped_matrix(path) for path in paths]
    queries = random.random((2_000, 64), np.float32)
    steps = []

    def cut(done, total):
        steps.append(done)
        os.truncate(paths[part], 10_000)

    for given in ({}, {"positives": [[70_000]] * 2_000}):
        with pytest.raises(InvalidArgument, match=rf"mapped from .*{part}\.npy, has 10000 bytes left of the"):
            hf.search(queries, shards, 5, progress=cut, precision="f32", **given)
    assert steps
    # What is still there can be read.
    assert hf.search(queries[:3], shards[part][:20], 5).ids.shape == (3, 5)


def test_a_short_npy_file_is_one_sentence(tmp_path):
    path = tmp_path / "p.npy"
    np.save(path, np.zeros((100, 8), np.float32))
    os.truncate(path, 1_000)
    with pytest.raises(
        InvalidArgument, match=r"p\.npy is not a whole .* it has 1000 bytes, fewer than its header"
    ):
        mapped_matrix(path)
    for content, words in ((b"", "not a whole"), (b"abc", "no"), (b"\x93NUMPY", "not a whole")):
        path.write_bytes(content)
        with pytest.raises(InvalidArgument, match=rf"p\.npy is {words} NumPy file"):
            mapped_matrix(path)
