"""One code a language, whatever the source writes."""

import pytest

from hybrid_fast.corpus import language_name, normalise_language, script
from hybrid_fast.corpus.languages import _lines, _table
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
        ("no nor nb nob nob_Latn nb-NO no-NO NOR", "nb"),
        ("nn nno nno_Latn nn-NO", "nn"),
        ("ko kor kor-Hang kor_Hang kor-Kore ko-KR", "ko"),
        ("ja jpn jpn_Jpan ja-JP jpn-Hrkt", "ja"),
        ("zho-Hani cmn_Hani zho_simpl zh-cmn zh-SG", "zh"),
        ("zho_trad cmn-Hant zh-Hant-HK zh-MO zho_Hanb", "zh-Hant"),
        ("yue zh-yue yue_Hant yue-Hani", "yue"),
        ("nan zh-nan", "nan"),
        ("ur urd urd_Arab urd-Aran ur-PK", "ur"),
        ("de deu ger deu-Latf de-AT", "de"),
        ("sr-Latn srp_Latn sr-Latn-RS hbs sr-ME", "sr-Latn"),
        ("hi-Latn hin_Latn hi_rom", "hi-Latn"),
        ("arz ar-arz arz_Arab", "arz"),
        ("ms msa may zsm zsm_Latn ms-zsm", "ms"),
        ("et est ekk", "et"),
        ("lv lav lvs", "lv"),
        ("uz uzb uzn uzn_Latn", "uz"),
        ("uz-Cyrl uzn-Cyrl", "uz-Cyrl"),
        ("mn mon khk khk_Cyrl", "mn"),
        ("ne nep npi", "ne"),
        ("om orm gaz", "om"),
        ("or ori ory", "or"),
        ("sq sqi alb als", "sq"),
        ("ps pus pbt pbt_Arab", "ps"),
        ("mg mlg plt", "mg"),
        ("yi yid ydd ji", "yi"),
        ("gn grn gug", "gn"),
        ("ay aym ayr", "ay"),
        ("sa san cls", "sa"),
        ("rom rmy", "rom"),
        ("en-US en_GB eng_Latn EN en-IN", "en"),
        ("aai aai_Latn", "aai"),
        ("lbe lbe-Cyrl", "lbe"),
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


FLORES = """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn amh_Ethi apc_Arab arb_Arab
arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl
bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn bod_Tibt bos_Latn bug_Latn
bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn
dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn ewe_Latn fao_Latn fij_Latn fin_Latn
fon_Latn fra_Latn fur_Latn fuv_Latn gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn
hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn
ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor kaz_Cyrl
kbp_Latn kea_Latn khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab knc_Latn
kon_Latn kor_Hang lao_Laoo lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn
lug_Latn luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Arab min_Latn mkd_Cyrl
mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn npi_Deva nso_Latn nus_Latn
nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab pes_Arab plt_Latn pol_Latn por_Latn
prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Beng scn_Latn shn_Mymr sin_Sinh
slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn als_Latn srd_Latn srp_Cyrl
ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl
tgl_Latn tha_Thai tir_Ethi tpi_Latn tsn_Latn tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng
uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr
yor_Latn yue_Hant zho_Hans zho_Hant zsm_Latn zul_Latn
"""
"""The codes of FLORES-200, from its README."""

WITH_A_SCRIPT = """
ace_Arab arb_Latn bjn_Arab crh_Latn kas_Deva knc_Arab min_Arab sat_Beng taq_Tfng tzm_Tfng zho_Hant
"""
"""Those in another script than the language's usual one, as Unicode CLDR says it."""

NTREX = """
afr amh arb aze-Latn bak bel bem ben bod bos bul cat ces ckb-Arab cym dan deu div dzo ell eng est eus ewe
fao fas fij fil fin fra fuc gle glg guj hau heb hin hmn hrv hun hye ibo ind isl ita jpn kan kat kaz khm
kin kir kmr kor lao lav lit ltz mal mar mey mkd mlg mlt mon mri msa mya nde nep nld nno nob nso nya orm
pan pol por prs pus ron rus shi sin slk slv smo sna-Latn snd-Arab som spa sqi srp-Cyrl srp-Latn ssw swa
swe tah tam tat tel tgk-Cyrl tha tir ton tsn tuk tur uig ukr urd uzb ven vie wol xho yor yue zho-CN
zho-TW zul
"""


def test_every_code_of_flores_is_known_and_none_merges_with_another() -> None:
    assert len(FLORES.split()) == 204
    codes = {code: normalise_language(code) for code in FLORES.split()}
    assert len(set(codes.values())) == 204
    assert {code for code, normal in codes.items() if "-" in normal} == {*WITH_A_SCRIPT.split()}
    assert {script(code) for code in ("kor_Hang", "kor")} == {"Kore"}


def test_every_code_of_ntrex_is_known_and_none_merges_with_another() -> None:
    assert len({normalise_language(code) for code in NTREX.split()}) == len(NTREX.split()) == 122


@pytest.mark.parametrize(
    "codes",
    [
        "nb nn",
        "zh zh-Hant yue lzh wuu nan",
        "sr sr-Latn hr bs cnr",
        "ar arz ary acm apc ajp ar-Latn",
        "fa prs tg",
        "ak tw",
        "id ms jv min",
        "ku ckb",
        "lv ltg",
        "az azb az-Cyrl",
        "et vro",
        "sw swc",
        "kok gom",
        "qu quy",
        "ff fuv",
        "dtp kzj",
        "my zaw",
        "hi hi-Latn ur",
        "ja ja-Hira ja-Kana",
        "mn mn-Mong",
        "pt gl es",
    ],
)
def test_what_differs_stays_apart(codes: str) -> None:
    assert len({normalise_language(code) for code in codes.split()}) == len(codes.split())


def test_every_code_that_is_given_back_is_its_own_and_every_language_has_one_line() -> None:
    known, scripts = _table()
    for code in known:
        once = normalise_language(code)
        assert normalise_language(once) == once
        assert normalise_language(code.upper()) == once
        assert script(code) in scripts
        assert normalise_language(f"{code}_{script(code)}") == once
    lines = [line.split("\t") for line in _lines("more_languages.tsv")]
    others = [code for _, codes in lines for code in codes.split()]
    assert len(others) == len(set(others))
    named = {
        code for line in _lines("languages.tsv") for part in line.split("\t")[:3] for code in part.split()
    }
    assert not named & set(others)
    assert len(known) > 7000


@pytest.mark.parametrize(
    ("code", "near"),
    [("engl", "'en'"), ("Germn", "'de' for German"), ("Sawhili", "'sw' for Swahili"), ("qde", "'de'"),
        ("ko_Hangul", "'ko' is Korean")],
)  # fmt: skip
def test_the_nearest_codes_are_named(code: str, near: str) -> None:
    with pytest.raises(CorpusError, match="unknown language code") as error:
        normalise_language(code)
    assert near in str(error.value)


@pytest.mark.parametrize("code", [None, 3, ["en"], b"en"])
def test_a_language_is_text(code: object) -> None:
    with pytest.raises(CorpusError, match="expected the text of a code"):
        normalise_language(code)  # type: ignore[arg-type]  # wrong


def test_a_long_code_is_shown_in_part() -> None:
    for code in ("x" * 10**6, "en-" + "x" * 10**6):
        with pytest.raises(CorpusError) as error:
            normalise_language(code)
        assert len(str(error.value)) < 300
