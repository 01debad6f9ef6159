"""What a simulation must find, counted the plain way from the batches that a sampler hands out."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np


def walk(sampler, epoch, total):
    """The batches of a run, epoch by epoch; the sampler is left at the epoch where it stands."""
    here, length = sampler.epoch, len(sampler)
    done = 0
    while done < total:
        sampler.set_epoch(epoch + done // length)
        stop = min(length, total - done)
        yield sampler.batches(0, stop)
        done += stop
    sampler.set_epoch(here)


def rows(batches):
    """Rows of each batch of several: (query language, passage language, group, query, passage)."""
    columns = ("query_language", "passage_language", "group", "query", "passage")
    of = [getattr(batches, name).tolist() for name in columns]
    return [list(zip(*batch, strict=True)) for batch in zip(*of, strict=True)]


def count(sampler, table, epoch, total):
    """Every number of a simulation, by name."""
    names = sampler.index.languages
    strata, pairs = Counter(), set()
    asking, answering = defaultdict(set), defaultdict(set)
    twice = Counter(group=0, query=0, passage=0)
    drift, language_drift, stratum_drift, mono_all, slots_all = Fraction(0), 0.0, 0.0, 0, 0
    for batches in walk(sampler, epoch, total):
        kinds = batches.is_mono.ravel().tolist()
        mono = 0
        for n, kind in enumerate(kinds, 1):
            mono += kind
            drift = max(drift, abs(mono - Fraction(sampler.mono_ratio) * n))
        mono_all, slots_all = mono_all + mono, slots_all + len(kinds)
        alone, across = [], []
        for is_mono, batch in zip(batches.is_mono.tolist(), rows(batches), strict=True):
            seen = {name: set() for name in twice}
            for a, b, g, q, p in batch:
                strata[a, b] += 1
                pairs.add((a, b, g))
                asking[a].add(g)
                answering[b].add(g)
                identities = {
                    "group": g,
                    "query": table.identity_of_query[q],
                    "passage": table.identity_of_passage[p],
                }
                for name, value in identities.items():
                    twice[name] += value in seen[name]
                    seen[name].add(value)
            if sampler.unit == "row":
                for kind, row in zip(is_mono, batch, strict=True):
                    (alone if kind else across).append(row[:2])
            elif is_mono:
                alone.append(batch[0][:2])
            else:
                across += [batch[0][:2]] if sampler.cross == "homogeneous" else [row[:2] for row in batch]
        shares = {(a, b): share for a, b, _, share, _ in sampler._plan.shares()}
        language_drift = max(
            language_drift, farthest(alone, {s: w for s, w in shares.items() if s[0] == s[1]})
        )
        stratum_drift = max(
            stratum_drift, farthest(across, {s: w for s, w in shares.items() if s[0] != s[1]})
        )
    size = len(names)
    return {
        "by_kind": {"monolingual": mono_all, "cross-lingual": slots_all - mono_all},
        "drift": float(drift),
        "language_drift": language_drift,
        "stratum_drift": stratum_drift,
        "strata": [[strata[a, b] for b in range(size)] for a in range(size)],
        "distinct": [[sum(one[:2] == (a, b) for one in pairs) for b in range(size)] for a in range(size)],
        "query_groups": [len(asking[a]) for a in range(size)],
        "passage_groups": [len(answering[b]) for b in range(size)],
        "twice": dict(twice),
    }


def farthest(turns, shares):
    """The greatest distance of a count from its share, after every prefix of the turns."""
    counts, most = Counter(), 0.0
    for n, turn in enumerate(turns, 1):
        counts[turn] += 1
        most = max(most, *(abs(counts[one] - share * n) for one, share in shares.items()))
    return most


def digest(sampler, epoch, total, hash128):
    """The digest as it is documented, with another implementation of XXH3-128."""
    whole = b""
    languages = len(sampler.index.languages)
    here = sampler.epoch
    cells = {}
    for done in range(total):
        sampler.set_epoch(epoch + done // len(sampler))
        batch = sampler.batch(done % len(sampler))
        if not cells:
            cells = cell_of(sampler)
        ids = [cells[g, a] * languages + b for a, b, g, *_ in rows(_alone(batch))[0]]
        kinds = np.atleast_1d(batch.is_mono).astype(np.uint8).tobytes()
        whole += hash128(np.array(ids, "<i8").tobytes() + kinds)[::-1]
    sampler.set_epoch(here)
    return hash128(whole).hex()


def _alone(batch):
    """A batch as a range of one."""
    one = type(batch)
    return one(**{name: np.asarray(getattr(batch, name))[None] for name in one.__dataclass_fields__})


def cell_of(sampler):
    """The position of the cell of each (group, language) that a pair id can name."""
    index = sampler.index
    languages = len(index.languages)
    found = {}
    for cell in range(len(index)):
        for language in range(languages):
            try:
                group, _, _, asked, _ = index.pairs([cell * languages + language])
            except IndexError:
                continue
            found[int(group[0]), int(asked[0])] = cell
            break
    return found
