"""What a configuration says the sampler draws from."""

from __future__ import annotations

from ..config import SamplerConfig
from ..corpus import Corpus, HardNegatives, Identities, corpus_identities, read_negatives
from ..pairs import PairIndex


def index_and_negatives(
    corpus: Corpus, config: SamplerConfig, identities: Identities | None = None
) -> tuple[PairIndex, HardNegatives | None]:
    """Return the index of a corpus with the identities of a configuration, and its hard negatives.

    Both are what :meth:`HybridBatchSampler.from_config` takes.

    Args:
        corpus: what is drawn from.
        config: names the rules of identities and the file of hard negatives.
        identities: what ``corpus_identities(corpus, config.identities)`` returned; default: found now.

    Raises:
        FileNotFoundError: there is no such file of hard negatives.
        CorpusError: the file is malformed, or of another corpus.
    """
    found = corpus_identities(corpus, config.identities if identities is None else identities)
    index = PairIndex.from_corpus(corpus, found)
    if config.hard_negatives is None:
        return index, None
    return index, read_negatives(config.hard_negatives, corpus, found)
