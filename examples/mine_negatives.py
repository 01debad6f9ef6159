"""Mine hard negatives with an encoder, then train on them.

    python examples/mine_negatives.py --out run

It runs offline in a minute: the embedded corpus stands for a corpus of one's own, and a tiny encoder
made on the spot for a real one. Passages that the encoder ranks high for a question become its hard
negatives, unless they answer it: a passage judged relevant, a translation of one and a near-duplicate
of one are never chosen. The sampler keeps those of a batch apart from the batch's positives.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import hybrid_fast as hf
from hybrid_fast.corpus import corpus_identities, write_negatives
from hybrid_fast.encoder import encode_passages, encode_queries, load_encoder
from hybrid_fast.encoder.tiny import TinyEncoderConfig, tiny_encoder

LANGUAGES = ("en", "de", "es", "sw")
IDENTITIES = ("given", "near-duplicate")


def main() -> None:
    """Mine, then train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the negatives and the run")
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()

    corpus = hf.load_corpus("demo", languages=LANGUAGES)
    texts = [*corpus.queries.texts, *corpus.passages.texts]
    # Put "intfloat/multilingual-e5-small" here instead.
    encoder = hf.EncoderConfig(
        model=str(tiny_encoder(texts, options.out / "encoder", TinyEncoderConfig(steps=10))),
        max_passage_length=64,
    )

    model = load_encoder(encoder)
    result = hf.search(
        encode_queries(model, corpus.queries.texts), encode_passages(model, corpus.passages.texts), 100
    )
    same = corpus_identities(corpus, IDENTITIES)
    print(f"identities: {same}")
    # The best two are passed over: they may be answers that nobody has judged.
    mined = hf.mine_negatives(result, corpus, identities=same, skip_top=2, most=30)
    path = write_negatives(options.out / "negatives.jsonl", corpus, mined)
    print(f"{mined!r} in {path}")

    folder = hf.train(
        hf.TrainConfig(
            sources=(hf.SourceConfig(name="demo", languages=LANGUAGES),),
            encoder=encoder,
            sampler=hf.SamplerConfig(
                batch_size=16, identities=IDENTITIES, hard_negatives=path, negatives_per_query=2
            ),
            # The paper's denominator: a query's own passage and the batch's hard negatives.
            loss=hf.LossConfig(temperature=0.05, denominator="own"),
            steps=options.steps,
            learning_rate=1e-3,
            threads=1,
        ),
        options.out / "run",
    )
    print(f"trained: {folder}")


if __name__ == "__main__":
    main()
