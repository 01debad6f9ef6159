"""What a configuration says the sampler draws from."""

from __future__ import annotations

from ..config import SamplerConfig
from ..corpus import Corpus, HardNegatives, Identities, corpus_identities, read_negatives
from ..errors import InvalidArgument
from ..fields import joined
from ..pairs import PairIndex
from .schedules import parse_mono_ratio
from .weights import parse_weights


def check_texts(config: SamplerConfig, place: str = "sampler") -> None:
    """Refuse a schedule or language weights whose text means nothing, before anything is read.

    Raises:
        InvalidArgument: the text is no such form; ``place`` is the way to it.
    """
    try:
        if isinstance(config.mono_ratio, str):
            parse_mono_ratio(config.mono_ratio)
        if isinstance(config.language_weights, str):
            parse_weights(config.language_weights)
    except (InvalidArgument, TypeError, OverflowError) as error:
        raise InvalidArgument(joined(place, str(error))) from None


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
