"""The tiny encoder: made from nothing, found again, equal each time, opened like any other."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hybrid_fast.config import EncoderConfig  # noqa: E402
from hybrid_fast.corpus.embedded import load_embedded  # noqa: E402
from hybrid_fast.encoder import encode_passages, encode_queries, load_encoder  # noqa: E402
from hybrid_fast.encoder.tiny import TinyEncoderConfig, tiny_encoder  # noqa: E402
from hybrid_fast.errors import ConfigError  # noqa: E402

SMALL = TinyEncoderConfig(
    vocabulary=400, hidden=16, layers=1, heads=2, feed_forward=32, steps=4, batch_size=8
)


@pytest.fixture(scope="module")
def texts():
    corpus = load_embedded(articles="even")
    return [*corpus.queries.texts[:200], *corpus.passages.texts[:200]]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(texts, tmp_path_factory):
    return tiny_encoder(texts, tmp_path_factory.mktemp("encoders"), SMALL)


def contents(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_is_found_again(texts, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    calls = []
    assert tiny_encoder(texts, folder.parent, SMALL, progress=lambda *at: calls.append(at)) == folder
    assert calls == []
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_other_texts_or_settings_make_another(texts, folder, tmp_path):
    other = TinyEncoderConfig(**{**SMALL.__dict__, "seed": 14})
    names = {
        folder.name,
        tiny_encoder(texts, tmp_path, other).name,
        tiny_encoder(texts[:-1], tmp_path, SMALL).name,
    }
    assert len(names) == 3


def test_same_inputs_give_the_same_files_in_another_process(folder, tmp_path):
    script = f"""
import torch; torch.set_num_threads(1)
from hybrid_fast.corpus.embedded import load_embedded
from hybrid_fast.encoder.tiny import TinyEncoderConfig, tiny_encoder
corpus = load_embedded(articles="even")
texts = [*corpus.queries.texts[:200], *corpus.passages.texts[:200]]
tiny_encoder(texts, {str(tmp_path)!r}, {SMALL!r})
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert contents(tmp_path / folder.name) == contents(folder)


def test_leaves_the_callers_random_state_alone(texts, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny_encoder(texts, tmp_path, SMALL)
    assert torch.equal(torch.rand(3), expected)


def test_opens_like_any_encoder(folder):
    config = EncoderConfig(model=str(folder), query_prefix="", passage_prefix="", max_passage_length=64)
    model = load_encoder(config, device="cpu")
    queries = encode_queries(model, ["Where was Clara born?", "Níbo ni a ti bí Clara?"])
    passages = encode_passages(model, ["Clara was born in Velmora in 1970."])
    assert queries.shape == (2, 16)
    assert queries.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(passages, axis=1), 1, rtol=1e-5)


def test_tokenizer_knows_every_letter_of_its_texts(texts, folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == text
    assert tokenizer.tokenize("1994")[-4:] == ["1", "9", "9", "4"]


def test_warm_up_teaches_to_recognise_a_sentence(texts, tmp_path):
    """Without it, a corrupted copy of a sentence is found among the others far less often."""

    def recognised(steps):
        config = TinyEncoderConfig(**{**SMALL.__dict__, "steps": steps, "hidden": 32, "learning_rate": 3e-3})
        model = load_encoder(
            EncoderConfig(model=str(tiny_encoder(texts, tmp_path, config)), max_passage_length=64),
            device="cpu",
        )
        sample = texts[::4]
        whole = encode_passages(model, sample)
        cut = encode_passages(model, [" ".join(text.split()[1::2]) for text in sample])
        return float(np.mean((cut @ whole.T).argmax(1) == np.arange(len(sample))))

    assert recognised(80) > recognised(1) + 0.1


def test_nothing_is_left_after_a_failure(texts, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_encoder(texts, tmp_path, SMALL, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"hidden": 10, "heads": 4}, "multiple of heads"),
        ({"vocabulary": 3}, "vocabulary is 3"),
        ({"steps": -1}, "steps is -1"),
    ],
)
def test_refuses_impossible_sizes(change, part):
    with pytest.raises(ConfigError, match=part):
        TinyEncoderConfig(**change)


def test_refuses_no_texts(tmp_path):
    with pytest.raises(ConfigError, match="at least one text"):
        tiny_encoder([], tmp_path, SMALL)
