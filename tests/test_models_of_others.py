"""Models as others save them: equal to sentence-transformers' own encoding, by object and by folder."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer, SparseEncoder
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import (
    LSTM,
    BoW,
    Dense,
    LayerNorm,
    Normalize,
    Pooling,
    StaticEmbedding,
    Transformer,
    WordEmbeddings,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer
from sentence_transformers.sparse_encoder.modules import SpladePooling
from transformers import Qwen3Config, Qwen3ForCausalLM, T5Config, T5EncoderModel

import hybrid_fast as hf
import tiny_models
from hybrid_fast.config import EncoderConfig, from_mapping
from hybrid_fast.encoder import (
    describe,
    encode_passages,
    encode_queries,
    in_words,
    load_encoder,
    save_encoder,
)
from hybrid_fast.encoder.folder import is_e5
from hybrid_fast.errors import ConfigError, InvalidArgument, InvalidShape, ModelError
from hybrid_fast.losses import InfoNCELoss
from hybrid_fast.training.trainer import PairCollator

torch.set_num_threads(1)

TEXTS = [
    "The river runs through the town and turns the old mill.",
    "Der Fluss fließt durch die Stadt und treibt die alte Mühle an, Tag für Tag.",
    "A short one.",
    "Mto unapita katikati ya mji.",
    "",
    "El río atraviesa la ciudad " * 12,
]
HIDDEN = tiny_models.HIDDEN


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "xlm-r": tiny_models.save_xlmr(root / "xlmr", TEXTS),
        "bert": tiny_models.save_bert(root / "bert", TEXTS, pooler=False),
        "t5": saved_t5(root / "t5"),
        "writer": saved_writer(root / "writer", template=None),
        "chat": saved_writer(root / "chat", template="{% for m in messages %}{{ m['content'] }}{% endfor %}"),
    }


def saved_t5(folder):
    """The encoder of a T5, without the decoder."""
    tokenizer = tiny_models.unigram_tokenizer(TEXTS)
    torch.manual_seed(4)
    shape = {"d_model": HIDDEN, "d_ff": 64, "num_layers": 2, "num_heads": 2, "d_kv": 8}
    T5EncoderModel(T5Config(vocab_size=len(tokenizer), pad_token_id=1, **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def saved_writer(folder, template):
    """A model that writes text, as embedding models are made of today: last token, padded on the left."""
    tokenizer = tiny_models.unigram_tokenizer(TEXTS)
    tokenizer.padding_side = "left"
    tokenizer.chat_template = template
    torch.manual_seed(5)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=1,
        max_position_embeddings=64,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def transformer(folders, name: str = "bert", **options) -> Transformer:
    # 62 of 64 positions, for sentence-transformers itself trips over the last two of XLM-R.
    return Transformer(
        str(folders[name]), max_seq_length=62, model_kwargs={"dtype": torch.float32}, **options
    )


def static(folders) -> StaticEmbedding:
    torch.manual_seed(3)
    return StaticEmbedding(tiny_models.wordpiece_tokenizer(TEXTS), embedding_dim=HIDDEN)


def built(modules, **options) -> SentenceTransformer:
    return SentenceTransformer(modules=modules, device="cpu", **options).eval()


def usual(folders, pooling="mean", *, name="bert", include_prompt=True, more=(), **options):
    modules = [transformer(folders, name), Pooling(HIDDEN, pooling, include_prompt=include_prompt), *more]
    return built(modules, **options)


ASKED = {"query": "ask for: ", "document": "text that says: "}
KINDS = {
    "plain": lambda f: usual(f),
    "prompts": lambda f: usual(f, prompts=ASKED),
    "prompts of XLM-R": lambda f: usual(f, name="xlm-r", prompts=ASKED),
    **{
        f"prompt not pooled, {mode}": lambda f, mode=mode: usual(
            f, mode, include_prompt=False, name="xlm-r", prompts=ASKED
        )
        for mode in ("mean", "cls", "max", "lasttoken", "weightedmean", "mean_sqrt_len_tokens")
    },
    "two poolings": lambda f: usual(f, ("cls", "mean"), prompts=ASKED),
    "last token": lambda f: usual(f, "lasttoken"),
    "several prompts": lambda f: usual(
        f, prompts={"query": "q: ", "passage": "p: ", "corpus": "c: ", "clustering": "k: "}
    ),
    "a default prompt": lambda f: usual(f, prompts={"sts": "same? "}, default_prompt_name="sts"),
    "truncated": lambda f: usual(f, truncate_dim=10, more=[Normalize()], prompts=ASKED),
    "projected": lambda f: usual(
        f, "cls", more=[Dense(HIDDEN, 24, activation_function=torch.nn.Tanh()), LayerNorm(24), Normalize()]
    ),
    "lengths of its own": lambda f: built(
        [transformer(f, query_length=9, document_length=14), Pooling(HIDDEN)], prompts=ASKED
    ),
    "lower case": lambda f: built([transformer(f, do_lower_case=True), Pooling(HIDDEN)]),
    "static": lambda f: built([static(f)], prompts=ASKED),
    "static, scaled and truncated": lambda f: built([static(f), Normalize()], truncate_dim=8),
    "bag of words": lambda f: built([BoW(vocab=["river", "town", "der"])], prompts=ASKED),
    "a recurrent network": lambda f: built(
        [
            WordEmbeddings(
                WhitespaceTokenizer(["river", "town", "der", "mto"]), np.eye(4, 8, dtype=np.float32)
            ),
            LSTM(8, 6),
            Pooling(12),
        ],
        prompts=ASKED,
    ),
    "encoder of T5": lambda f: usual(f, name="t5", prompts=ASKED),
    "last token of a writer": lambda f: usual(f, "lasttoken", name="writer", prompts=ASKED),
    "mean of a writer, prompt not pooled": lambda f: usual(
        f, include_prompt=False, name="writer", prompts=ASKED
    ),
    "chat template": lambda f: usual(f, "lasttoken", name="chat", prompts=ASKED),
    "routes": lambda f: built(
        [
            Router.for_query_document([static(f)], [transformer(f), Pooling(HIDDEN, "cls")]),
            Normalize(),
        ],
        prompts=ASKED,
    ),
    "routes, prompt not pooled": lambda f: built(
        [
            Router.for_query_document(
                [transformer(f), Pooling(HIDDEN, include_prompt=False)],
                [transformer(f, "xlm-r"), Pooling(HIDDEN, "max")],
            )
        ],
        prompts=ASKED,
    ),
    "instructions kept beside the text": lambda f: usual(
        f, include_prompt=False, prompts={"query": "Instruct: find it\nQuery: ", "document": ""}
    ),
}


@pytest.fixture(params=KINDS)
def model(request, folders):
    return KINDS[request.param](folders)


def assert_same(found, model):
    for got, want in (
        (encode_queries(found, TEXTS, batch_size=4), model.encode_query(TEXTS)),
        (encode_passages(found, TEXTS, batch_size=3), model.encode_document(TEXTS)),
    ):
        assert got.dtype == np.float32
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, atol=2e-6)


def test_a_model_by_object_and_by_folder(model, tmp_path):
    assert_same(model, model)
    model.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    again = load_encoder(EncoderConfig(model=str(tmp_path / "saved")), device="cpu")
    assert_same(again, model)
    assert describe(again) == describe(model)
    # And saved once more by this package, it is still itself.
    save_encoder(again, tmp_path / "again")
    assert_same(SentenceTransformer(str(tmp_path / "again"), device="cpu"), model)
    assert encode_queries(again, []).shape == (0, model.get_embedding_dimension())


def test_low_precision_is_near(model):
    exact = encode_passages(model, TEXTS)
    near = encode_passages(model, TEXTS, precision="bfloat16")
    assert exact.shape == near.shape
    assert np.abs(exact - near).max() < 0.03 * max(1, np.abs(exact).max())
    assert not torch.is_autocast_enabled("cpu")


def test_several_batches_keep_their_order(folders):
    for kind in ("prompt not pooled, mean", "routes", "static"):
        model = KINDS[kind](folders)
        texts = [f"{'town ' * (n * 7 % 11)}{n}" for n in range(40)]
        calls: list[tuple[int, int]] = []
        found = encode_passages(
            model, texts, batch_size=7, progress=lambda *counts, calls=calls: calls.append(counts)
        )
        np.testing.assert_allclose(found, model.encode_document(texts), atol=2e-6)
        assert calls == [(n, 40) for n in (7, 14, 21, 28, 35, 40)]


class Shouting(SentenceTransformer):
    """A model whose own method decides."""

    def encode_query(self, texts, **options):
        return super().encode_query([text.upper() for text in texts], **options)


class Terse(SentenceTransformer):
    """One that takes nothing but texts."""

    def encode_document(self, texts):
        return super().encode_document([text[:9] for text in texts], convert_to_tensor=True)


@pytest.mark.parametrize("kind", [Shouting, Terse])
def test_a_class_with_methods_of_its_own(folders, kind):
    model = kind(modules=list(usual(folders)), prompts=ASKED, device="cpu").eval()
    found = encode_queries(model, TEXTS), encode_passages(model, TEXTS)
    np.testing.assert_allclose(found[0], model.encode_query(TEXTS), atol=2e-6)
    np.testing.assert_allclose(found[1], np.asarray(model.encode_document(TEXTS)), atol=2e-6)
    call = encode_queries if kind is Shouting else encode_passages
    with pytest.raises(ModelError, match="takes no length"):
        call(model, TEXTS, max_length=5)


def test_what_a_configuration_sets_goes_before_what_the_model_says(folders, tmp_path):
    usual(folders, prompts={**ASKED, "sts": "s: "}).save_pretrained(
        str(tmp_path / "m"), create_model_card=False
    )
    place = str(tmp_path / "m")
    said = load_encoder(EncoderConfig(model=place), device="cpu")
    assert said.prompts["query"] == "ask for: "
    assert not isinstance(said[-1], Normalize)
    assert said.max_seq_length == 62
    one = load_encoder(
        EncoderConfig(model=place, query_prefix="", pooling="max", normalize=True, max_query_length=7),
        device="cpu",
    )
    assert one.prompts == {"query": "", "document": "text that says: ", "sts": "s: "}
    assert one[1].pooling_mode == "max"
    assert isinstance(one[-1], Normalize)
    want = one.encode_query(TEXTS)
    np.testing.assert_allclose(encode_queries(one, TEXTS), want, atol=2e-6)
    bare = usual(folders, "max", more=[Normalize()])
    np.testing.assert_allclose(
        want, bare.encode_query(TEXTS, processing_kwargs={"text": {"max_length": 7}}), atol=2e-6
    )
    save_encoder(one, tmp_path / "scaled")
    plain = load_encoder(EncoderConfig(model=str(tmp_path / "scaled"), normalize=False), device="cpu")
    assert not isinstance(plain[-1], Normalize)
    assert describe(plain)["query"] == {
        "prompt": "",
        "prompt_pooled": True,
        "max_length": 7,
        "pooling": "max",
        "normalized": False,
        "modules": ["Transformer", "Pooling"],
    }


def test_settings_that_a_model_has_no_place_for_are_refused(folders, tmp_path):
    def saved(kind):
        place = tmp_path / kind.replace(" ", "-")
        KINDS[kind](folders).save_pretrained(str(place), create_model_card=False)
        return str(place)

    for kind, setting, words in (
        ("static", {"max_query_length": 9}, "does not cut its query texts"),
        ("routes", {"max_query_length": 9}, "does not cut its query texts"),
        ("static", {"pooling": "cls"}, "has no pooling"),
        ("two poolings", {"pooling": "cls"}, "joins several vectors"),
        ("static", {"freeze_layers": 1}, "not with a transformer"),
    ):
        with pytest.raises(ModelError, match=words):
            load_encoder(EncoderConfig(model=saved(kind), **setting))
    routed = load_encoder(EncoderConfig(model=saved("routes"), max_passage_length=8), device="cpu")
    assert describe(routed)["passage"]["max_length"] == 8
    with pytest.raises(ModelError, match="StaticEmbedding does not cut texts"):
        encode_queries(routed, TEXTS, max_length=9)


def test_an_encoder_that_says_nothing(folders, tmp_path):
    model = load_encoder(EncoderConfig(model=str(folders["bert"])), device="cpu")
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    assert set(model.prompts.values()) == {""}
    assert describe(model)["passage"]["max_length"] == tiny_models.POSITIONS
    writer = load_encoder(EncoderConfig(model=str(folders["writer"]), normalize=False), device="cpu")
    assert describe(writer)["query"]["pooling"] == "lasttoken"
    assert_same(writer, SentenceTransformer(str(folders["writer"]), device="cpu").eval())
    e5 = shutil.copytree(folders["bert"], tmp_path / "multilingual-e5-tiny")
    prompted = load_encoder(EncoderConfig(model=str(e5)), device="cpu")
    assert (prompted.prompts["query"], prompted.prompts["document"]) == ("query: ", "passage: ")
    assert load_encoder(EncoderConfig(model=str(e5), query_prefix="")).prompts["query"] == ""
    # Saved with prompts, be they empty, it says something.
    save_encoder(
        load_encoder(EncoderConfig(model=str(e5), query_prefix="", passage_prefix="")), tmp_path / "e5"
    )
    assert set(load_encoder(EncoderConfig(model=str(tmp_path / "e5"))).prompts.values()) == {""}
    (tmp_path / "e5" / "config_sentence_transformers.json").unlink()
    assert load_encoder(EncoderConfig(model=str(tmp_path / "e5"))).prompts["query"] == "query: "
    # The name in a configuration counts too.
    renamed = shutil.copytree(folders["bert"], tmp_path / "mine")
    config = json.loads((renamed / "config.json").read_text())
    (renamed / "config.json").write_text(json.dumps(config | {"_name_or_path": "intfloat/e5-base-v2"}))
    assert load_encoder(EncoderConfig(model=str(renamed))).prompts["document"] == "passage: "


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("intfloat/multilingual-e5-small", True),
        ("intfloat/e5-base-v2", True),
        ("/models/multilingual-e5-small-trimmed/", True),
        ("/hub/models--intfloat--e5-large/snapshots/0a1b2c", True),
        ("intfloat/e5-mistral-7b-instruct", False),
        ("intfloat/multilingual-e5-large-instruct", False),
        ("FacebookAI/xlm-roberta-base", False),
        ("/runs/e5/model", False),
        ("mode5/encoder", False),
        ("someone/the5th", False),
    ],
)
def test_names_of_e5(name, answer):
    assert is_e5(name) == answer


@pytest.mark.parametrize("name", ["bert", "xlm-r"])
def test_a_model_of_few_positions_is_capped_with_a_notice(folders, name):
    limit = tiny_models.POSITIONS
    long = " ".join(TEXTS) * 3
    with pytest.warns(UserWarning, match=f"max_passage_length is 256, but .* has {limit} positions") as notes:
        model = load_encoder(
            EncoderConfig(model=str(folders[name]), max_query_length=9, max_passage_length=256), device="cpu"
        )
    assert len(notes) == 1
    assert describe(model)["passage"]["max_length"] == limit
    assert np.isfinite(encode_passages(model, [long])).all()
    np.testing.assert_array_equal(
        encode_passages(model, [long], max_length=500), encode_passages(model, [long])
    )
    whole = SentenceTransformer(
        modules=[Transformer(str(folders[name])), Pooling(HIDDEN), Normalize()], device="cpu"
    ).eval()
    np.testing.assert_allclose(encode_passages(whole, [long]), encode_passages(model, [long]), atol=2e-6)


def test_a_saved_length_without_positions_is_capped_with_a_notice(folders, tmp_path):
    for name in ("bert", "xlm-r"):
        place = tmp_path / name
        usual(folders, name=name).save_pretrained(str(place), create_model_card=False)
        settings = json.loads((place / "sentence_bert_config.json").read_text())
        (place / "sentence_bert_config.json").write_text(json.dumps(settings | {"max_seq_length": 512}))
        with pytest.warns(
            UserWarning, match="says that it reads 512 tokens, but it has 64 positions"
        ) as notes:
            model = load_encoder(EncoderConfig(model=str(place)), device="cpu")
        assert len(notes) == 1
        assert {describe(model)[role]["max_length"] for role in ("query", "passage")} == {64}
        long = [" ".join(TEXTS) * 3]
        whole = load_encoder(EncoderConfig(model=str(folders[name]), normalize=False), device="cpu")
        np.testing.assert_allclose(encode_passages(model, long), encode_passages(whole, long), atol=2e-6)


def test_models_that_make_no_dense_vector_are_refused(folders, tmp_path):
    masked = Transformer(str(folders["xlm-r"]), transformer_task="fill-mask")
    sparse = SparseEncoder(modules=[masked, SpladePooling()], device="cpu")
    sparse.save_pretrained(str(tmp_path / "sparse"))
    with pytest.raises(ModelError, match="is a SparseEncoder"):
        load_encoder(EncoderConfig(model=str(tmp_path / "sparse")))
    corpus = hf.load_corpus("demo", languages=["en"], articles="odd")
    with pytest.raises(InvalidShape, match="sparse"):
        hf.evaluate(sparse, corpus)

    class Late:
        def encode_query(self, texts):
            return [np.zeros((len(text.split()), 4), np.float32) for text in texts]

        encode_document = encode_query

    with pytest.raises(InvalidShape, match="one vector a text"):
        hf.evaluate(Late(), corpus)


def test_damaged_files(folders, tmp_path):
    usual(folders).save_pretrained(str(tmp_path / "good"), create_model_card=False)
    for number, text in enumerate(("{", '{"a": 1}', "[1]", '[{"path": ""}]')):
        place = shutil.copytree(tmp_path / "good", tmp_path / f"bad{number}")
        (place / "modules.json").write_text(text)
        with pytest.raises(ModelError, match="modules") as caught:
            load_encoder(EncoderConfig(model=str(place)))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["half a \ud83d", "\udc00", "two \ude00\ud83d halves"])
def test_half_a_character(folders, text):
    for kind in ("plain", "routes"):
        with pytest.raises(InvalidArgument, match=r"text 2 holds half a character \(the lone surrogate U\+D"):
            encode_queries(KINDS[kind](folders), ["a", "b \U0001f600", text])
    for wrong, words in (
        (None, "text 1 is None"),
        (float("nan"), "text 1 is float"),
        (b"x", "text 1 is bytes"),
    ):
        with pytest.raises(TypeError, match=words):
            encode_passages(KINDS["plain"](folders), ["a", wrong])


def test_old_configurations_load():
    old = {
        "model": "m",
        "pooling": "mean",
        "normalize": True,
        "query_prefix": "query: ",
        "passage_prefix": "passage: ",
        "max_query_length": 64,
        "max_passage_length": 256,
        "freeze_word_embeddings": False,
        "freeze_layers": 0,
    }
    assert from_mapping(EncoderConfig, old).max_passage_length == 256
    assert from_mapping(EncoderConfig, {"max_query_length": None}) == EncoderConfig()
    with pytest.raises(ConfigError, match="max_query_length is 0"):
        EncoderConfig(max_query_length=0)


def test_an_evaluation_says_how_texts_were_encoded(folders, tmp_path):
    corpus = hf.load_corpus("demo", languages=["en", "sw"], articles="odd")
    model = usual(folders, include_prompt=False, prompts=ASKED)
    model.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    options = {"settings": ["multilingual"], "measures": ["AP"]}
    by_object = hf.evaluate(model, corpus, **options)
    by_folder = hf.evaluate(tmp_path / "saved", corpus, **options)
    in_chunks = hf.evaluate(str(tmp_path / "saved"), corpus, chunk_size=50, max_query_length=11, **options)
    np.testing.assert_allclose(by_folder.table.value, by_object.table.value, atol=1e-9)
    assert by_folder.encoder == by_object.encoder == describe(model)
    assert in_chunks.encoder["query"]["max_length"] == 11
    by_folder.write(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "encoder.json").read_text()) == describe(model)
    assert in_words(by_folder.encoder) == (
        "Queries: prompt 'ask for: ' (not pooled); at most 62 tokens; pooling mean; not scaled",
        "Passages: prompt 'text that says: ' (not pooled); at most 62 tokens; pooling mean; not scaled",
        f"Embeddings of {HIDDEN} numbers; similarity: inner product",
        "The model's own similarity is cosine, but scores here are inner products; normalize = true makes "
        "them cosines.",
    )


TRAINED = (
    "plain",
    "prompts of XLM-R",
    "prompt not pooled, mean",
    "static",
    "routes",
    "routes, prompt not pooled",
)


@pytest.mark.parametrize("kind", TRAINED)
def test_a_training_batch_is_what_the_librarys_trainer_would_make(folders, kind):
    model = KINDS[kind](folders)
    pairs = [(TEXTS[n], TEXTS[n + 1], TEXTS[(n + 3) % 5]) for n in range(4)]
    collate = SentenceTransformerDataCollator(
        preprocess_fn=model.preprocess,
        prompts={"query": ASKED["query"], "passage": ASKED["document"], "negative": ASKED["document"]}
        if model.prompts["query"]
        else {},
        router_mapping={"query": "query", "passage": "document", "negative": "document"},
    )
    theirs = collate([dict(zip(("query", "passage", "negative"), pair, strict=True)) for pair in pairs])
    ours = PairCollator(model)(pairs)

    def sides(batch):
        names = ("query_", "passage_", "negative_")
        return [{k.removeprefix(name): v for k, v in batch.items() if k.startswith(name)} for name in names]

    with torch.no_grad():
        expected = MultipleNegativesRankingLoss(model, scale=1 / 0.05)(sides(theirs), None)
        found = InfoNCELoss(model, temperature=0.05)(sides(ours))
    assert found.item() == pytest.approx(expected.item(), abs=2e-5)


@pytest.mark.parametrize("kind", ["static", "routes", "prompt not pooled, mean"])
def test_training_such_a_model(folders, kind, tmp_path):
    KINDS[kind](folders).save_pretrained(str(tmp_path / "start"), create_model_card=False)
    config = hf.TrainConfig(
        sources=(hf.SourceConfig(name="demo", languages=("en", "de"), articles="even"),),
        encoder=EncoderConfig(model=str(tmp_path / "start")),
        sampler=hf.SamplerConfig(batch_size=8),
        steps=3,
        learning_rate=1e-2,
        evaluations=(),
        precision="bfloat16" if kind == "routes" else "float32",
    )
    folder = hf.train(config, tmp_path / "run")
    trained = SentenceTransformer(str(folder / "model"), device="cpu")
    start = SentenceTransformer(str(tmp_path / "start"), device="cpu")
    assert trained.prompts == start.prompts
    assert [type(module) for module in trained] == [type(module) for module in start]
    assert np.abs(trained.encode_query(TEXTS) - start.encode_query(TEXTS)).max() > 1e-4
    assert json.loads((folder / "environment.json").read_text())["encoder"] == describe(start)
    assert_same(load_encoder(EncoderConfig(model=str(folder / "model")), device="cpu"), trained)
    card = (folder / "model" / "README.md").read_text()
    assert "adds 'ask for: '" in card
