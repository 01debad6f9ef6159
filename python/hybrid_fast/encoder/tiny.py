"""A tiny multilingual encoder made from nothing, for demonstrations and tests.

An XLM-R of two or three narrow layers with a tokenizer built from the given sentences, warmed up on
them without labels, as a pretrained encoder would have been: masked language modelling (Devlin et al.
2019, section 3.1) together with a contrastive loss between two corrupted copies of one sentence
(in the manner of SimCSE, Gao et al. 2021, section 3). The sentences are read one by one: neither
translations nor questions and their passages are ever shown as pairs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..fields import above, at_least, between, check_fields, seed_range
from ..progress import Progress
from .quiet import quiet

if TYPE_CHECKING:
    import torch

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_START, _PAD, _END, _UNKNOWN, _MASK = range(5)
_IGNORED = -100

Ids = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TinyEncoderConfig:
    """Size and warm-up of a tiny encoder."""

    vocabulary: int = 1500
    """Most entries in the tokenizer's vocabulary."""
    hidden: int = 128
    """Width of the token states, and of the embeddings."""
    layers: int = 2
    """Transformer layers."""
    heads: int = 4
    """Attention heads; divides hidden."""
    feed_forward: int = 256
    """Width inside the feed-forward blocks."""
    max_length: int = 64
    """Longest text in tokens."""
    steps: int = 150
    """Optimiser steps of the warm-up."""
    batch_size: int = 64
    """Sentences in a step."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW, with linear warm-up over a tenth of the steps and linear decay."""
    masked: float = 0.15
    """Share of tokens hidden from the encoder and predicted."""
    dropped: float = 0.15
    """Share of tokens left out of the second copy of a sentence."""
    temperature: float = 0.05
    """Temperature of the contrastive loss."""
    seed: int = 13
    """Seeds the weights and the warm-up."""

    def __post_init__(self) -> None:
        check_fields(
            self,
            vocabulary=at_least(len(_SPECIAL) + 1),
            hidden=at_least(1),
            layers=at_least(1),
            heads=at_least(1),
            feed_forward=at_least(1),
            max_length=at_least(1),
            steps=at_least(0),
            batch_size=at_least(1),
            learning_rate=above(0),
            masked=between(0, 1),
            dropped=between(0, 1),
            temperature=above(0),
            seed=seed_range,
        )
        if self.hidden % self.heads:
            raise ConfigError(f"hidden is {self.hidden}, expected a multiple of heads ({self.heads})")


def tiny_encoder(
    texts: Sequence[str],
    folder: Path | str,
    config: TinyEncoderConfig | None = None,
    *,
    progress: Progress | None = None,
) -> Path:
    """Return the folder of a tiny encoder warmed up on ``texts``, made now or found from an earlier call.

    The encoder lies in a subfolder of ``folder`` named by a digest of the texts and the configuration;
    it appears there whole or not at all. The work is done in one thread, so that the same texts and
    configuration give the same weights on any number of cores; two threads would hardly be faster.

    Args:
        texts: plain sentences in all the languages the encoder shall know; order and repeats count.
        folder: where encoders are kept.
        config: size and warm-up; default: :class:`TinyEncoderConfig`.
        progress: called after each step with (steps done, steps).

    Raises:
        ConfigError: there are no texts.
    """
    config = config or TinyEncoderConfig()
    if not texts:
        raise ConfigError("a tiny encoder needs at least one text to learn from")
    identity = json.dumps([dataclasses.asdict(config), list(texts)], ensure_ascii=False, sort_keys=True)
    target = Path(folder) / f"tiny-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    if (target / "config.json").is_file():
        return target

    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        tokenizer = _build_tokenizer(texts, config)
        with _one_thread():
            model = _warm_up(texts, tokenizer, config, progress)
        tokenizer.save_pretrained(temporary)
        with quiet():
            model.save_pretrained(temporary)
        try:
            temporary.rename(target)
        except OSError:
            # Another process finished the same encoder first; the two are equal.
            if not (target / "config.json").is_file():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _build_tokenizer(texts: Sequence[str], config: TinyEncoderConfig) -> Any:
    """Train a byte-pair vocabulary shared by all languages; digits and punctuation stand alone."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token=_SPECIAL[_UNKNOWN]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=config.vocabulary,
            special_tokens=list(_SPECIAL),
            initial_alphabet=list(string.digits + string.ascii_letters),
            min_frequency=2,
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_SPECIAL[_START]} $A {_SPECIAL[_END]}",
        special_tokens=[(_SPECIAL[_START], _START), (_SPECIAL[_END], _END)],
    )
    kind: Any = PreTrainedTokenizerFast
    return kind(
        tokenizer_object=tokenizer,
        bos_token=_SPECIAL[_START],
        cls_token=_SPECIAL[_START],
        eos_token=_SPECIAL[_END],
        sep_token=_SPECIAL[_END],
        pad_token=_SPECIAL[_PAD],
        unk_token=_SPECIAL[_UNKNOWN],
        mask_token=_SPECIAL[_MASK],
        model_max_length=config.max_length,
    )


def _warm_up(
    texts: Sequence[str], tokenizer: Any, config: TinyEncoderConfig, progress: Progress | None
) -> Any:
    """Train a fresh encoder on single sentences and return it without its prediction head."""
    import torch
    from torch.nn import functional
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaModel

    token_ids = tokenizer(
        list(texts), add_special_tokens=False, truncation=True, max_length=config.max_length - 2
    )
    sentences = [np.array(ids, dtype=np.int64) for ids in token_ids["input_ids"]]
    random = np.random.default_rng([config.seed, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model: Any = XLMRobertaForMaskedLM(
            XLMRobertaConfig(
                vocab_size=len(tokenizer),
                hidden_size=config.hidden,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                intermediate_size=config.feed_forward,
                # XLM-R counts positions from pad + 1.
                max_position_embeddings=config.max_length + _PAD + 1,
                type_vocab_size=1,
                bos_token_id=_START,
                pad_token_id=_PAD,
                eos_token_id=_END,
            )
        )
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01)
        rise = max(1, config.steps // 10)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: min((step + 1) / rise, (config.steps - step) / max(1, config.steps - rise)),
        )
        order = np.empty(0, dtype=np.int64)
        for step in range(config.steps):
            while len(order) < config.batch_size:
                order = np.concatenate([order, random.permutation(len(sentences))])
            drawn, order = [sentences[i] for i in order[: config.batch_size]], order[config.batch_size :]
            masked, labels = _mask(drawn, config.masked, random)
            thinned = _padded([_thin(ids, config.dropped, random) for ids in drawn])
            first = model.roberta(masked, attention_mask=(masked != _PAD).long()).last_hidden_state
            second = model.roberta(thinned, attention_mask=(thinned != _PAD).long()).last_hidden_state
            hidden = labels != _IGNORED
            predicted = functional.cross_entropy(model.lm_head(first[hidden]), labels[hidden])
            scores = _mean(first, masked) @ _mean(second, thinned).T / config.temperature
            recognised = functional.cross_entropy(scores, torch.arange(len(drawn)))
            optimizer.zero_grad()
            loss: Any = predicted + recognised
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if progress is not None:
                progress(step + 1, config.steps)
        # With the unused pooler that AutoModel looks for, so that loading reports nothing missing.
        encoder: Any = XLMRobertaModel(model.config)
        encoder.load_state_dict(model.roberta.state_dict(), strict=False)
    return encoder.eval()


def _mask(
    sentences: list[Ids], share: float, random: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide a share of each sentence's tokens, at least one; labels are the hidden tokens."""
    import torch

    inputs = _padded(sentences)
    labels = torch.full_like(inputs, _IGNORED)
    for row, ids in enumerate(sentences):
        if len(ids) == 0:
            continue
        places = random.choice(len(ids), size=max(1, round(share * len(ids))), replace=False) + 1
        labels[row, places] = inputs[row, places]
        inputs[row, places] = _MASK
    return inputs, labels


def _thin(ids: Ids, share: float, random: np.random.Generator) -> Ids:
    """Leave out a share of the tokens; a short sentence keeps at least one."""
    kept = ids[random.random(len(ids)) >= share]
    return kept if len(kept) else ids


def _padded(sentences: list[Ids]) -> torch.Tensor:
    import torch

    width = max(len(ids) for ids in sentences) + 2
    batch = torch.full((len(sentences), width), _PAD, dtype=torch.long)
    for row, ids in enumerate(sentences):
        batch[row, 0] = _START
        batch[row, 1 : len(ids) + 1] = torch.from_numpy(ids)
        batch[row, len(ids) + 1] = _END
    return batch


def _mean(states: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Mean of the token states of each row, scaled to length 1."""
    import torch

    weights = (inputs != _PAD).unsqueeze(-1).to(states.dtype)
    return torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)
