"""A saved pair index: opened it is the same, and whatever is wrong with a file is one clear error."""

from __future__ import annotations

import multiprocessing
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InvalidArgument

LANGUAGES = ("de", "en", "中文")


def build(seed=0, groups=120, missing=0.2, shuffled=True):
    rng = np.random.default_rng(seed)
    there = rng.random(groups * len(LANGUAGES)) >= missing
    there[0] = True  # an index has a cell
    cells = np.flatnonzero(there)
    if shuffled:
        cells = rng.permutation(cells)
    rows = np.arange(len(cells))
    passage = np.where(rng.random(len(cells)) < missing, -1, rng.permutation(len(cells)))
    group = cells // len(LANGUAGES)
    return hf.PairIndex.from_columns(
        7 * group,
        cells % len(LANGUAGES),
        rows,
        passage,
        languages=LANGUAGES,
        passage_identity=group * 3 // 4,
    )


def assert_same(one, other):
    assert other.fingerprint == one.fingerprint
    assert other.languages == one.languages
    assert (len(other), other.groups, other.bytes) == (len(one), one.groups, one.bytes)
    assert other.strata.tolist() == one.strata.tolist()
    ids = np.arange(len(one) * len(one.languages))
    for pair in ids[:: max(1, len(ids) // 200)]:
        results = []
        for index in (one, other):
            try:
                columns = (*index.pairs([pair]), *index.identities([pair]))
                results.append([column.tolist() for column in columns])
            except IndexError as error:
                results.append(str(error))
        assert results[0] == results[1]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 90), st.sampled_from([0, 0.1, 0.7]), st.booleans())
def test_an_opened_index_is_the_one_that_was_saved(tmp_path_factory, seed, groups, missing, shuffled):
    index = build(seed, groups, missing, shuffled)
    path = tmp_path_factory.mktemp("index") / "pairs.index"
    index.save(path)
    for verify in (False, True):
        assert_same(index, hf.PairIndex.open(path, verify=verify))
    assert_same(index, pickle.loads(pickle.dumps(index)))


def test_a_sampler_gives_the_same_batches(tmp_path):
    index = build()
    index.save(tmp_path / "pairs.index")
    opened = hf.PairIndex.open(tmp_path / "pairs.index")
    samplers = [hf.HybridBatchSampler(one, batch_size=8, seed=3) for one in (index, opened)]
    plans = [sampler.batches(0, len(sampler)) for sampler in samplers]
    for field in ("is_mono", "group", "query", "passage", "query_language", "passage_language"):
        assert np.array_equal(getattr(plans[0], field), getattr(plans[1], field))
    state = samplers[0].state_dict()
    samplers[1].load_state_dict(state)


def test_saving_replaces_a_file_that_is_open(tmp_path):
    path = tmp_path / "new folder" / "pairs.index"
    first, second = build(1), build(2)
    first.save(path)
    opened = hf.PairIndex.open(path)
    second.save(path)
    assert_same(first, opened)
    assert_same(second, hf.PairIndex.open(str(path)))
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_save_leaves_nothing(tmp_path):
    path = tmp_path / "pairs.index"
    path.mkdir()
    with pytest.raises(OSError, match=r"pairs\.index"):
        build().save(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("left", [0, 1, 7, 8, 15, 16, 40, 100, 1000, -64, -1])
def test_a_cut_file_is_refused(tmp_path, left):
    path = tmp_path / "pairs.index"
    build().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    with pytest.raises(InvalidArgument, match=r"pairs\.index (is|has|cannot)"):
        hf.PairIndex.open(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(InvalidArgument, match="its header says"):
        hf.PairIndex.open(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY" + bytes(500), bytes(4096), os.urandom(999)])
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "some.npy"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=r"some\.npy"):
        hf.PairIndex.open(path)


def test_another_version_is_named(tmp_path):
    path = tmp_path / "pairs.index"
    build().save(path)
    content = bytearray(path.read_bytes())
    content[8] = 99
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match="version 99 of the format, expected 2"):
        hf.PairIndex.open(path)


def test_damage_is_found(tmp_path):
    path = tmp_path / "pairs.index"
    build().save(path)
    whole = path.read_bytes()
    for place, verify in [(50, False), (len(whole) - 100, True)]:
        content = bytearray(whole)
        content[place] ^= 4
        path.write_bytes(content)
        with pytest.raises(InvalidArgument, match=r"damaged header|other bytes than were saved"):
            hf.PairIndex.open(path, verify=verify)


def test_no_file_is_the_operating_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        hf.PairIndex.open(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError):
        hf.PairIndex.open(tmp_path)


def test_an_opened_index_is_pickled_by_its_path(tmp_path):
    path = tmp_path / "pairs.index"
    index = build(groups=3000)
    index.save(path)
    opened = hf.PairIndex.open(path)
    pickled = pickle.dumps(opened)
    assert len(pickled) < 1000 < len(pickle.dumps(index))
    assert_same(index, pickle.loads(pickled))
    build(5).save(path)
    with pytest.raises(InvalidArgument, match="another index than when"):
        pickle.loads(pickled)


def test_processes_share_an_opened_index(tmp_path):
    path = tmp_path / "pairs.index"
    index = build()
    index.save(path)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        given = [hf.PairIndex.open(path), index]
        assert pool.map(_fingerprint, given, chunksize=1) == [index.fingerprint] * 2


def _fingerprint(index):
    return index.fingerprint


@pytest.mark.parametrize("layout", ["strided", "reversed", "swapped", "memory-mapped", "read-only"])
def test_columns_are_read_in_any_layout(tmp_path, layout):
    groups = 300
    cells = np.arange(groups * len(LANGUAGES))
    columns = {
        "group": cells[::-1] // len(LANGUAGES),
        "language": cells % len(LANGUAGES),
        "query": cells * 7 % 1000,
        "passage": np.where(cells % 5 == 0, -1, cells),
    }
    plain = hf.PairIndex.from_columns(**columns, languages=LANGUAGES)
    for name, column in columns.items():
        if layout == "strided":
            columns[name] = np.stack([column, column + 1], axis=1)[:, 0]
        elif layout == "reversed":
            columns[name] = column[::-1].astype(np.int32)[::-1]
        elif layout == "swapped":
            columns[name] = column.astype(">i4")
        elif layout == "memory-mapped":
            np.save(tmp_path / f"{name}.npy", column)
            columns[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        else:
            columns[name] = column.copy()
            columns[name].flags.writeable = False
    assert_same(plain, hf.PairIndex.from_columns(**columns, languages=LANGUAGES))


def test_languages_one_after_another_need_no_order():
    groups = 5000
    cells = np.arange(groups * len(LANGUAGES))
    index = hf.PairIndex.from_columns(cells % groups, cells // groups, cells, cells, languages=LANGUAGES)
    assert index.bytes == 0
    group, query, passage, asked, answered = index.pairs([4 * len(LANGUAGES) + 2])
    assert (group[0], query[0], passage[0], asked[0], answered[0]) == (4, 4, 2 * groups + 4, 0, 2)
