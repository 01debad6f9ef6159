from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

import tiny_models
from hybrid_fast.config import EncoderConfig
from hybrid_fast.encoder import encode_passages, encode_queries, load_encoder, save_encoder
from hybrid_fast.errors import InvalidArgument, ModelError

torch.set_num_threads(1)

TEXTS = [
    "The river runs through the town and turns the old mill.",
    "Der Fluss fließt durch die Stadt und treibt die alte Mühle an.",
    "El río atraviesa la ciudad y mueve el viejo molino.",
    "A short one.",
    "Mto unapita katikati ya mji na kuzungusha kinu cha zamani.",
    "",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "xlm-r": tiny_models.save_xlmr(root / "xlmr", TEXTS),
        "labse": tiny_models.save_bert(root / "labse", TEXTS, pooler=True),
        "bert": tiny_models.save_bert(root / "bert", TEXTS, pooler=False),
    }


def settings(folder: Path, **changes) -> EncoderConfig:
    return EncoderConfig(**{"model": str(folder), "max_query_length": 16, "max_passage_length": 32} | changes)


def by_hand(folder: Path, texts, prefix: str, length: int, pooling: str, normalize: bool) -> np.ndarray:
    """Transformers alone, one text at a time, no padding."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    vectors = []
    for text in texts:
        tokens = tokenizer(prefix + text, truncation=True, max_length=length, return_tensors="pt")
        with torch.no_grad():
            states = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])[0][0]
        vector = {"mean": states.mean(0), "cls": states[0], "max": states.max(0).values}[pooling]
        vectors.append(vector / vector.norm() if normalize else vector)
    return torch.stack(vectors).numpy()


@pytest.mark.parametrize("name", ["xlm-r", "labse", "bert"])
@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("cls", True), ("max", False)])
def test_embeddings_are_those_of_transformers(folders, name, pooling, normalize):
    config = settings(
        folders[name], pooling=pooling, normalize=normalize, query_prefix="ask: ", passage_prefix=""
    )
    model = load_encoder(config)
    queries = encode_queries(model, TEXTS, batch_size=4)
    passages = encode_passages(model, TEXTS, batch_size=4)
    assert queries.dtype == np.float32
    assert queries.shape == (len(TEXTS), tiny_models.HIDDEN)
    expected = by_hand(folders[name], TEXTS, "ask: ", 16, pooling, normalize)
    np.testing.assert_allclose(queries, expected, atol=2e-6)
    expected = by_hand(folders[name], TEXTS, "", 32, pooling, normalize)
    np.testing.assert_allclose(passages, expected, atol=2e-6)


def test_lengths_hold_for_each_side(folders):
    long = " ".join(TEXTS)
    model = load_encoder(settings(folders["bert"], query_prefix="", passage_prefix=""))
    tokens = model.tokenizer(long)["input_ids"]
    assert len(tokens) > 32
    assert not np.allclose(encode_queries(model, [long]), encode_passages(model, [long]), atol=1e-4)
    np.testing.assert_array_equal(
        encode_queries(model, [long], max_length=32), encode_passages(model, [long])
    )


def test_order_is_kept_and_batches_do_not_matter(folders):
    model = load_encoder(settings(folders["xlm-r"]))
    texts = [f"{'word ' * (n * 7 % 11)}{n}" for n in range(50)]
    calls = []
    one = encode_queries(model, texts, batch_size=1, progress=lambda done, total: calls.append((done, total)))
    many = encode_queries(model, texts, batch_size=16)
    np.testing.assert_allclose(one, many, atol=2e-6)
    np.testing.assert_array_equal(many, encode_queries(model, texts, batch_size=16))
    assert calls == [(n + 1, 50) for n in range(50)]
    assert encode_queries(model, []).shape == (0, tiny_models.HIDDEN)


def test_blocks_join(folders, monkeypatch):
    model = load_encoder(settings(folders["bert"]))
    whole = encode_passages(model, TEXTS)
    monkeypatch.setattr("hybrid_fast.encoder.encode.BLOCK", 4)
    np.testing.assert_allclose(encode_passages(model, TEXTS), whole, atol=2e-6)


def test_bfloat16_is_near_and_pooled_in_float32(folders):
    model = load_encoder(settings(folders["labse"]))
    exact = encode_passages(model, TEXTS)
    near = encode_passages(model, TEXTS, precision="bfloat16")
    assert 0 < np.abs(exact - near).max() < 0.03
    np.testing.assert_allclose(np.linalg.norm(near, axis=1), 1, atol=1e-6)


def test_encoding_leaves_the_mode_alone(folders):
    model = load_encoder(settings(folders["bert"]))
    model.train()
    first = encode_queries(model, TEXTS)
    assert model.training
    np.testing.assert_array_equal(first, encode_queries(model, TEXTS))


def test_bad_texts(folders):
    model = load_encoder(settings(folders["bert"]))
    with pytest.raises(TypeError, match="text 1 is int"):
        encode_queries(model, ["a", 3])
    with pytest.raises(TypeError, match="one string"):
        encode_queries(model, "abc")
    with pytest.raises(InvalidArgument, match="batch_size is 0"):
        encode_queries(model, TEXTS, batch_size=0)


@pytest.mark.parametrize("name", ["xlm-r", "labse", "bert"])
def test_opening_is_repeatable_silent_and_without_pooler(folders, name, capfd, recwarn):
    torch.manual_seed(5)
    first = load_encoder(settings(folders[name]))
    torch.manual_seed(6)
    state = torch.random.get_rng_state()
    second = load_encoder(settings(folders[name]))
    assert torch.equal(state, torch.random.get_rng_state())
    assert not any("pooler" in key for key, _ in first.named_parameters())
    for (key, one), (_, two) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert torch.equal(one, two), key
    assert capfd.readouterr() == ("", "")
    assert not [warning for warning in recwarn if "pooler" in str(warning.message)]


@pytest.mark.parametrize("name", ["xlm-r", "labse", "bert"])
def test_saved_folder_opens_with_sentence_transformers(folders, name, tmp_path, caplog):
    model = load_encoder(settings(folders[name], query_prefix="q: ", passage_prefix="p: "))
    save_encoder(model, tmp_path / "model", card="# Card\n")
    plain = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    np.testing.assert_allclose(plain.encode_query(TEXTS), encode_queries(model, TEXTS), atol=2e-6)
    np.testing.assert_allclose(plain.encode_document(TEXTS), encode_passages(model, TEXTS), atol=2e-6)
    np.testing.assert_allclose(encode_queries(plain, TEXTS), encode_queries(model, TEXTS), atol=2e-6)
    assert "pooler" not in caplog.text
    again = load_encoder(settings(tmp_path / "model", query_prefix="q: ", passage_prefix="p: "))
    np.testing.assert_array_equal(encode_queries(again, TEXTS), encode_queries(model, TEXTS))
    assert (tmp_path / "model" / "README.md").read_text() == "# Card\n"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_sentence_transformers_layout_of_labse_keeps_its_modules(folders, tmp_path):
    transformer = Transformer(str(folders["labse"]))
    modules = [
        transformer,
        Pooling(tiny_models.HIDDEN, pooling_mode="cls"),
        Dense(tiny_models.HIDDEN, 24, activation_function=torch.nn.Tanh()),
        Normalize(),
    ]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(
        str(tmp_path / "labse"), create_model_card=False
    )
    model = load_encoder(settings(tmp_path / "labse", query_prefix="", passage_prefix="", freeze_layers=1))
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Dense", "Normalize"]
    plain = SentenceTransformer(str(tmp_path / "labse"), device="cpu")
    np.testing.assert_allclose(
        encode_passages(model, TEXTS), plain.encode(TEXTS), atol=2e-6
    )  # texts shorter than the length
    assert encode_passages(model, TEXTS, precision="bfloat16").shape == (len(TEXTS), 24)


def test_normalize_is_added_and_taken_away_where_it_is_asked_for(folders, tmp_path):
    modules = [Transformer(str(folders["bert"])), Pooling(tiny_models.HIDDEN)]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(
        str(tmp_path / "model"), create_model_card=False
    )
    assert isinstance(load_encoder(settings(tmp_path / "model"))[-1], Pooling)
    assert isinstance(load_encoder(settings(tmp_path / "model", normalize=False))[-1], Pooling)
    scaled = load_encoder(settings(tmp_path / "model", normalize=True))
    assert isinstance(scaled[-1], Normalize)
    save_encoder(scaled, tmp_path / "scaled")
    assert isinstance(load_encoder(settings(tmp_path / "scaled"))[-1], Normalize)
    assert isinstance(load_encoder(settings(tmp_path / "scaled", normalize=False))[-1], Pooling)


@pytest.mark.parametrize("name", ["xlm-r", "labse", "bert"])
def test_freezing(folders, name):
    words = load_encoder(settings(folders[name], freeze_word_embeddings=True))
    frozen = [key for key, value in words.named_parameters() if not value.requires_grad]
    assert len(frozen) == 1
    assert frozen[0].endswith("word_embeddings.weight")
    lower = load_encoder(settings(folders[name], freeze_layers=2))
    trained = {key for key, value in lower.named_parameters() if value.requires_grad}
    assert trained
    assert all(".layer.2." in key for key in trained)
    with pytest.raises(ModelError, match="freeze_layers is 9, but the encoder has 3 layers"):
        load_encoder(settings(folders[name], freeze_layers=9))


def copy_without(folder: Path, target: Path, *names: str) -> Path:
    shutil.copytree(folder, target)
    for name in names:
        for path in target.glob(name):
            path.unlink()
    return target


def test_wrong_folders(folders, tmp_path):
    source = folders["labse"]
    cases = {
        "holds no tokenizer": copy_without(source, tmp_path / "a", "tokenizer*"),
        "holds no weights": copy_without(source, tmp_path / "b", "*.safetensors"),
        "holds no config.json": copy_without(source, tmp_path / "c", "config.json"),
        "there is no model folder": tmp_path / "nowhere",
        "is a file": source / "config.json",
    }
    for message, folder in cases.items():
        with pytest.raises(ModelError, match=message) as caught:
            load_encoder(settings(folder))
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)


def test_truncated_and_foreign_weights(folders, tmp_path):
    torn = copy_without(folders["labse"], tmp_path / "torn")
    weights = torn / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(ModelError, match="cannot open the encoder"):
        load_encoder(settings(torn))
    foreign = copy_without(folders["labse"], tmp_path / "foreign")
    config = json.loads((foreign / "config.json").read_text())
    (foreign / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 5}))
    with pytest.raises(ModelError, match="32 missing"):
        load_encoder(settings(foreign))
    (foreign / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(ModelError, match="of another shape"):
        load_encoder(settings(foreign))
    (foreign / "config.json").write_text("{")
    with pytest.raises(ModelError):
        load_encoder(settings(foreign))


@pytest.mark.skipif("HYBRID_FAST_DATA" not in os.environ, reason="HYBRID_FAST_DATA is not set")
def test_real_encoder_gets_the_prompts_of_e5():
    folder = Path(os.environ["HYBRID_FAST_DATA"]).parent / "models" / "multilingual-e5-small-trimmed"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    model = load_encoder(EncoderConfig(model=str(folder)))
    queries = encode_queries(model, ["Which river flows through Berlin?"])
    passages = encode_passages(
        model, ["Durch Berlin fließt die Spree.", "Bananen wachsen in warmen Ländern.", "Mto unapita Berlin."]
    )
    assert (queries @ passages.T)[0].argmax() == 0
    expected = by_hand(folder, ["Which river flows through Berlin?"], "query: ", 512, "mean", True)
    np.testing.assert_allclose(queries, expected, atol=2e-6)
    expected = by_hand(folder, ["Bananen wachsen in warmen Ländern."], "passage: ", 512, "mean", True)
    np.testing.assert_allclose(passages[1:2], expected, atol=2e-6)


@pytest.mark.parametrize("name", ["nobody/has-this", "nobody-has-this"])
def test_a_model_that_nobody_has_is_refused_at_once_without_network(monkeypatch, name):
    # No hub listens there.
    monkeypatch.setattr(
        "hybrid_fast.encoder.reachable.hf_hub_url", lambda *given: "http://127.0.0.1:9/config.json"
    )
    start = time.monotonic()
    with pytest.raises(ModelError, match=f"no model folder {name}, .* cannot be reached; check the name"):
        load_encoder(EncoderConfig(model=name))
    assert time.monotonic() - start < 8


@pytest.mark.parametrize("kind", ["bert", "saved"])
def test_a_byte_order_mark_in_any_json_file_of_a_model_is_refused_with_its_name(folders, tmp_path, kind):
    source = folders["bert"]
    if kind == "saved":
        source = tmp_path / "saved"
        load_encoder(settings(folders["bert"])).save(str(source))
    for path in source.rglob("*.json"):
        marked = tmp_path / "marked"
        shutil.copytree(source, marked)
        damaged = marked / path.relative_to(source)
        damaged.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        with pytest.raises(ModelError, match=f"{damaged.name} begins with a byte order mark"):
            load_encoder(settings(marked))
        shutil.rmtree(marked)
