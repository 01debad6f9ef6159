"""One code a language, whatever the source writes."""

import pytest

from hybrid_fast.corpus import language_name, normalise_language, script
from hybrid_fast.errors import CorpusError


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("sw swa swh SW sw-KE swa_TZ", "sw"),
        ("zh cmn zho chi zho-CN zh_cn zh-Hans cmn_Hans_CN", "zh"),
        ("zho-TW zh_Hant zh-HK cmn-Hant", "zh-Hant"),
        ("ar arb ara arb_Arab ar-EG", "ar"),
        ("es spa es-LA spa-MX es-419", "es"),
        ("pt por pt-BR", "pt"),
        ("srp sr srp-Cyrl scc", "sr"),
        ("srp-Latn sh hbs sr-Latn", "sr-Latn"),
        ("aze-Latn az azj", "az"),
        ("ckb ckb-Arab", "ckb"),
        ("ku kmr kmr_Latn", "ku"),
        ("he heb iw", "he"),
        ("hau ha", "ha"),
        ("twi tw", "tw"),
        ("fas per pes fa fa-IR", "fa"),
        ("prs fa-AF", "prs"),
        ("ell gre el", "el"),
        ("bod tib bo", "bo"),
        ("bem", "bem"),
        ("fon", "fon"),
        ("sna-Latn", "sn"),
        ("tgl tl fil", "tl"),
    ],
)
def test_codes_of_one_language_are_one(codes: str, expected: str) -> None:
    assert {normalise_language(code) for code in codes.split()} == {expected}


def test_normalising_again_changes_nothing() -> None:
    for code in ("zho-TW", "srp-Latn", "swh", "yue", "snd-Arab", "prs"):
        once = normalise_language(code)
        assert normalise_language(once) == once


@pytest.mark.parametrize("code", ["xx", "qqq", "", "english", "en-Nope", "en-x-y", "zh--", "e n"])
def test_an_unknown_code_is_named(code: str) -> None:
    with pytest.raises(CorpusError, match="unknown language code") as error:
        normalise_language(code)
    assert repr(code) in str(error.value)


def test_an_english_name_is_answered_with_its_code() -> None:
    with pytest.raises(CorpusError, match="the code of German is 'de'"):
        normalise_language("German")


def test_names_and_scripts() -> None:
    assert language_name("swh") == "Swahili"
    assert language_name("zho-TW") == "Chinese (Hant)"
    assert [script(code) for code in ("en", "ru", "hi", "zho-TW", "zho-CN", "am", "srp-Latn")] == [
        *("Latn", "Cyrl", "Deva", "Hant", "Hans", "Ethi", "Latn")
    ]
