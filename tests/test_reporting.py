"""The report of a sweep: complete, true to its input, self-contained, and clear about what is missing."""

from __future__ import annotations

import json
import math
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybrid_fast import cli
from hybrid_fast.errors import RunError
from hybrid_fast.reporting import headline, report
from hybrid_fast.reporting.certainty import intervals, query_values, question
from hybrid_fast.reporting.chance import chance
from hybrid_fast.reporting.contents import contents
from hybrid_fast.reporting.folder import read_folder, read_metrics
from hybrid_fast.reporting.language_names import language_label
from hybrid_fast.reporting.page import page
from hybrid_fast.reporting.summaries import summarise
from hybrid_fast.reporting.writing import _replace_list
from hybrid_fast.statistics import bootstrap
from hybrid_fast.sweeping import results
from hybrid_fast.sweeping.results import COLUMNS
from sweep_folder import AFRICAN, PARALLEL, TRAINED, UNSEEN, write_sweep

SECTIONS = (
    "Headline numbers",
    "Learning curves",
    "Quality by ratio",
    "Bias and quality",
    "Language pairs",
    "Convergence",
    "Differences",
    "Exposure",
    "Method",
    "Configuration",
)
SMALL = {"ratios": (0.0, 0.5, 1.0), "learning_rates": (3e-5,), "steps": (0, 5, 20), "queries": 8}
FEW = {"trained": ("ar", "de", "en"), "unseen": ("el",), "low_resource": ("hau", "zul")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_sweep(tmp_path_factory.mktemp("whole"), seeds=(1, 2), **SMALL, **FEW)
    assert report(folder) == folder / "report" / "report.html"
    return folder


@pytest.fixture(scope="module")
def html(whole: Path) -> str:
    return (whole / "report" / "report.html").read_text(encoding="utf-8")


def without_figure_files(folder: Path) -> tuple[str, dict[str, pd.DataFrame]]:
    """Return the text and the tables of the page; drawing figure files takes most of the time."""
    made = contents(read_folder(folder))
    return text_of(page(made.title, made.lead, made.sections, [])), made.csv


def rows_of(folder: Path) -> pd.DataFrame:
    tables = []
    for run in sorted((folder / "runs").iterdir()):
        config = json.loads((run / "config.json").read_text())
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        tables.append(pd.DataFrame(lines).assign(ratio=config["sampler"]["mono_ratio"], seed=config["seed"]))
    return pd.concat(tables, ignore_index=True)


def text_of(html: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body).replace("\u00a0", " "))


def test_every_section_is_there_and_linked(html: str) -> None:
    titles = re.findall(r"<h2>(.*?)</h2>", html.split("<script")[0])
    assert titles == list(SECTIONS)
    for anchor in re.findall(r'<a href="#([^"]+)"', html):
        assert f'id="{anchor}"' in html
    assert "Nothing to show" not in html


def test_note_title_and_command_are_shown(html: str) -> None:
    assert "<h1>Ratio of monolingual batches on XQuAD-R</h1>" in html
    assert '<div class="note"><p>Made-up numbers, written by a test.</p>' in html
    assert "hybrid-fast sweep --config study.toml --out study" in html
    assert "5f2c9a0b1d3e4f56" in html


def test_page_needs_nothing_from_outside(html: str) -> None:
    for tag in re.findall(r"<(?:script|link|img|iframe|object|source)\b[^>]*>", html):
        assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", tag), tag
    outside_script = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert "http://" not in outside_script
    assert "https://" not in outside_script
    assert "@import" not in html
    specs = html.split('id="specs">')[1].split("</script>")[0]
    assert '"url"' not in specs
    assert "https://" not in specs


def test_every_figure_is_embedded_and_exported(whole: Path, html: str) -> None:
    specs = json.loads(html.split('id="specs">')[1].split("</script>")[0])
    names = re.findall(r'<figure data-name="([^"]+)"', html)
    assert len(names) == len(set(names)) >= 10
    for name in names:
        assert any(key.split("|")[0] == name for key in specs), name
    for link in re.findall(r'href="((?:figures|tables)/[^"]+)"', html):
        assert (whole / "report" / link).is_file(), link
    svgs = sorted((whole / "report" / "figures").glob("*.svg"))
    assert len(svgs) >= len(names)
    for svg in svgs:
        text = svg.read_text(encoding="utf-8")
        assert re.search(r'aria-roledescription="(symbol|rect|line) mark container"', text), svg.name
        assert "NaN" not in re.sub(r">[^<]*<", "", text), svg.name
        png = svg.with_suffix(".png").read_bytes()
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", png[16:24])
        assert width > 300
        assert height > 200


def test_one_colour_a_ratio_in_all_figures(html: str) -> None:
    specs = json.loads(html.split('id="specs">')[1].split("</script>")[0])
    found = set()
    for entry in specs.values():
        for scale in re.findall(r'"scale": (\{[^{}]*"0.5"[^{}]*\})', json.dumps(entry["spec"])):
            parts = json.loads(scale)
            if str(parts.get("range", [""])[0]).startswith("#"):
                found.add((tuple(parts["domain"]), tuple(parts["range"])))
    assert len(found) == 1


def test_tables_equal_the_means_of_the_input(whole: Path) -> None:
    rows = rows_of(whole)
    final = rows[(rows["scope"] == "full") & (rows["step"] == 20)]
    tiers = {"trained": FEW["trained"], "unseen": FEW["unseen"], "low-resource": FEW["low_resource"]}
    table = pd.read_csv(whole / "report" / "tables" / "final_values.csv")
    assert len(table) == 3 * (7 * 2 * 3 + 2 + 7)
    for row in table.to_dict("records"):
        chosen = final[
            (final["evaluation"] == row["evaluation"])
            & (final["setting"] == row["setting"])
            & final["query_language"].isin(tiers[row["tier"]])
            & (final["measure"] == row["measure"])
            & (final["ratio"] == row["mono_ratio"])
        ]
        assert row["mean"] == pytest.approx(chosen["value"].mean(), rel=1e-12)
        if row["kind"] == "bootstrap":
            assert row["low"] <= row["mean"] + 1e-6
            assert row["mean"] <= row["high"] + 1e-6
    assert set(table.loc[table["measure"] == "RR@10", "kind"]) == {"bootstrap"}

    curves = pd.read_csv(whole / "report" / "tables" / "learning_curves.csv")
    row = curves[
        (curves["evaluation"] == AFRICAN)
        & (curves["measure"] == "AP")
        & (curves["mono_ratio"] == 1.0)
        & (curves["seed"] == 2)
        & (curves["step"] == 5)
    ]
    same = rows[
        (rows["scope"] == "sample")
        & (rows["evaluation"] == AFRICAN)
        & (rows["measure"] == "AP")
        & (rows["ratio"] == 1.0)
        & (rows["seed"] == 2)
        & (rows["step"] == 5)
    ]
    assert row["value"].item() == pytest.approx(same["value"].mean(), rel=1e-12)


def test_headline_shows_tiers_untouched_and_chance(whole: Path, html: str) -> None:
    rows = rows_of(whole)
    before = rows[
        (rows["step"] == 0)
        & (rows["scope"] == "full")
        & (rows["evaluation"] == AFRICAN)
        & (rows["measure"] == "RR@10")
    ]["value"].mean()
    first = html.split("<h2>Headline numbers</h2>")[1].split("</table>")[0]
    for word in ("trained", "unseen", "low-resource", "untouched encoder", "chance", f"{before:.3f}"):
        assert word in first
    harmonic = sum(1 / rank for rank in range(1, 11))
    assert f"{harmonic / 1017:.3f}" in first


def test_differences_are_paired_and_corrected(whole: Path) -> None:
    table = pd.read_csv(whole / "report" / "tables" / "differences.csv")
    finals = pd.read_csv(whole / "report" / "tables" / "final_values.csv")
    assert set(table["reference"]) == {0.5}
    assert set(table["mono_ratio"]) == {0.0, 1.0}
    key = ["evaluation", "setting", "tier", "measure"]
    for row in table.to_dict("records"):
        same = finals
        for name in key:
            same = same[same[name] == row[name]]
        means = same.set_index("mono_ratio")["mean"]
        assert row["difference"] == pytest.approx(means[row["mono_ratio"]] - means[0.5], abs=1e-9)
        assert 0 < row["p"] <= row["p_holm"] <= 1
    for _, family in table.groupby(key):
        assert family["p_holm"].min() == pytest.approx(min(1, family["p"].min() * len(family)))


def test_convergence_keeps_runs_that_never_get_there(whole: Path) -> None:
    table = pd.read_csv(whole / "report" / "tables" / "convergence.csv")
    assert not table["reached"].all()
    assert (table.loc[~table["reached"], "steps"] == 20).all()
    curves = pd.read_csv(whole / "report" / "tables" / "learning_curves.csv")
    for row in table.to_dict("records"):
        same = curves
        for name in ("evaluation", "setting", "tier", "measure", "mono_ratio", "seed"):
            same = same[same[name] == row[name]]
        above = same[same["value"] >= row["share"] * row["target"] - 1e-9]["step"]
        assert row["reached"] == (len(above) > 0)
        if row["reached"]:
            assert row["steps"] == above.min()


def test_proof_of_held_out_languages_and_overlap(html: str) -> None:
    text = text_of(html)
    assert "Held out: Greek. The plans of 6 runs draw no query and no passage in them." in text
    assert (
        f"Training rows drawn that are also in {PARALLEL}: 0 documents, 0 queries and 0 passages (no overlap"
        in text
    )


def test_a_plan_that_drew_a_held_out_language_is_named(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, seeds=(1,), **SMALL, **FEW)
    plan = next((folder / "runs").iterdir()) / "plan.json"
    content = json.loads(plan.read_text())
    content["query_rows"]["el"] = 3
    content["overlap"][PARALLEL]["passages"] = 2
    plan.write_text(json.dumps(content))
    text, _ = without_figure_files(folder)
    assert "Held out: Greek, but the plans draw rows in Greek." in text
    assert "0 documents, 0 queries and 2 passages (overlap" in text


def test_partial_sweep_names_what_is_missing(tmp_path: Path) -> None:
    folder = write_sweep(
        tmp_path,
        seeds=(1, 2),
        leave_out=frozenset({(1.0, 2, 3e-5)}),
        unfinished=frozenset({(0.5, 1, 3e-5)}),
        **SMALL,
        **FEW,
    )
    text, tables = without_figure_files(folder)
    assert (
        "2 of 6 runs not finished (α = 0.5, seed 1, learning rate 3e-5; α = 1, seed 2, learning rate 3e-5)"
        in text
    )
    finals = tables["final_per_seed"]
    assert set(zip(finals["mono_ratio"], finals["seed"], strict=True)) == {
        (0.0, 1),
        (0.0, 2),
        (0.5, 2),
        (1.0, 1),
    }
    assert "2 not finished" in headline(folder).title


def test_a_ratio_without_any_run_is_no_obstacle(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, seeds=(1,), leave_out=frozenset({(0.5, 1, 3e-5)}), **SMALL, **FEW)
    _, tables = without_figure_files(folder)
    table = tables["differences"]
    assert set(table["reference"]) == {0.0}


def test_one_seed_without_queries_has_no_interval_and_says_so(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, seeds=(7,), per_query=False, **SMALL, **FEW)
    text, tables = without_figure_files(folder)
    assert "There is one seed" in text
    assert "so there is no interval" in text
    finals = tables["final_values"]
    assert set(finals["kind"]) == {"none"}
    assert finals["low"].isna().all()


def test_seeds_without_queries_give_their_range(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, seeds=(1, 2, 3), per_query=False, full=False, **SMALL, **FEW)
    text, tables = without_figure_files(folder)
    assert "lowest and the highest seed in brackets" in text
    assert "Final values are those of the sample" in text
    seeds = tables["final_per_seed"]
    finals = tables["final_values"]
    by = ["evaluation", "setting", "tier", "measure", "learning_rate", "mono_ratio"]
    ends = seeds.groupby(by)["value"].agg(["min", "max"]).reset_index().merge(finals, on=by)
    assert np.allclose(ends["min"], ends["low"])
    assert np.allclose(ends["max"], ends["high"])


def test_one_evaluation_without_tiers_and_one_ratio(tmp_path: Path) -> None:
    folder = write_sweep(
        tmp_path, ratios=(0.5,), seeds=(1,), learning_rates=(3e-5,), steps=(0, 4), queries=5,
        trained=("de", "en"), unseen=(), low_resource=(),
    )  # fmt: skip
    stated = json.loads((folder / "sweep.json").read_text())
    stated["tiers"] = {}
    (folder / "sweep.json").write_text(json.dumps(stated))
    text, _ = without_figure_files(folder)
    assert "With one ratio there is nothing to compare." in text
    assert "other" in text


def test_folders_that_are_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no folder .*absent"):
        report(tmp_path / "absent")
    with pytest.raises(RunError, match=r"is not a sweep folder: it has no sweep\.json"):
        report(tmp_path)
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(RunError, match=r"sweep.json is damaged"):
        report(tmp_path)
    (tmp_path / "sweep.json").write_text('{"schema": 1}')
    with pytest.raises(RunError, match="does not state the ratios and seeds"):
        report(tmp_path)
    (tmp_path / "sweep.json").write_text('{"schema": 1, "config": {"ratios": [0, 1], "seeds": [1]}}')
    with pytest.raises(RunError, match="has no finished run yet"):
        report(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.json"]


def test_a_truncated_metrics_file_is_named_with_its_line(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, seeds=(1,), **SMALL, **FEW)
    broken = sorted((folder / "runs").iterdir())[0] / "metrics.jsonl"
    lines = broken.read_text().splitlines()
    broken.write_text("\n".join([*lines[:4], lines[4][:20]]))
    with pytest.raises(RunError, match=r"metrics.jsonl, line 5, is damaged"):
        report(folder)
    assert not (folder / "report").exists()


def test_command_prints_a_table_and_the_path_and_replaces_an_older_report(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    stale = folder / "report" / "figures" / "stale.svg"
    stale.write_text("old")
    with (folder / "report" / "files.txt").open("a") as names:
        names.write("figures/stale.svg\n")
    with pytest.raises(SystemExit) as end:
        cli.main(["report", str(folder)])
    assert end.value.code in (0, None)
    out = capsys.readouterr().out
    assert str(folder / "report" / "report.html") in out.replace("\n", "")
    for word in ("trained", "unseen", "low-resource", "untouched", "0.5"):
        assert word in out
    assert not stale.exists()
    assert (folder / "report" / "report.html").read_bytes() == (whole / "report" / "report.html").read_bytes()
    with pytest.raises(SystemExit) as end:
        cli.main(["report", str(tmp_path)])
    assert end.value.code == 2
    assert "is not a sweep folder" in re.sub(r"[\s│]+", " ", capsys.readouterr().err)


@pytest.mark.parametrize(("pool", "golds"), [(1, 1), (7, 1), (6, 3), (5, 5), (12, 2)])
def test_chance_equals_the_mean_over_random_orders(pool: int, golds: int) -> None:
    from itertools import combinations

    places = list(combinations(range(1, pool + 1), golds))
    for measure, score in {
        "RR": lambda ranks: 1 / ranks[0],
        "RR@3": lambda ranks: 1 / ranks[0] if ranks[0] <= 3 else 0.0,
        "AP": lambda ranks: sum((i + 1) / rank for i, rank in enumerate(ranks)) / len(ranks),
    }.items():
        expected = sum(score(ranks) for ranks in places) / len(places)
        assert chance(measure, pool, golds) == pytest.approx(expected, rel=1e-12)
    assert chance("nDCG@10", pool, golds) is None


def test_chance_of_one_gold_is_harmonic() -> None:
    assert chance("RR", 1017) == pytest.approx(sum(1 / rank for rank in range(1, 1018)) / 1017)
    assert math.isclose(chance("RR@10", 5) or 0, (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 5)


def test_languages_have_english_names() -> None:
    assert language_label("sw") == "Swahili (sw)"
    assert language_label("qqq") == "qqq"
    assert all(
        " (" in language_label(code)
        for code in (*TRAINED, *UNSEEN, "bem", "ha", "ig", "rw", "tw", "yo", "zu")
    )


def test_translations_of_a_question_are_one_question() -> None:
    assert question("ar/56be4", "ar") == question("zh/56be4", "zh") == "56be4"
    assert question("person-01.size.de", "de") == "person-01.size"
    assert question("de", "de") == "de"
    assert question("bem/bem-test-0", "bem") == "bem-test-0"


def test_intervals_of_unequal_sets_are_stratified(whole: Path) -> None:
    """The African languages ask different questions, so the tier is a mean of their means."""
    made = contents(read_folder(whole))
    table = made.csv["final_values"]
    per_run = []
    for run in (whole / "runs").iterdir():
        config = json.loads((run / "config.json").read_text())
        if config["sampler"]["mono_ratio"] == 0.5:
            per_run.append(pd.read_parquet(run / "per_query.parquet").assign(seed=config["seed"]))
    answers = pd.concat(per_run).astype({"value": float})
    answers = answers[(answers["evaluation"] == AFRICAN) & (answers["measure"] == "AP")]
    expected = bootstrap(
        answers.pivot_table(index="seed", columns="query_id", values="value").to_numpy(),
        strata=[name.split("/")[0] for name in sorted(set(answers["query_id"]))],
    )
    row = table[(table["evaluation"] == AFRICAN) & (table["measure"] == "AP") & (table["mono_ratio"] == 0.5)]
    assert row["mean"].item() == pytest.approx(expected.mean, abs=1e-6)
    assert row["low"].item() == pytest.approx(expected.low, abs=1e-9)
    assert row["high"].item() == pytest.approx(expected.high, abs=1e-9)


def test_results_are_the_rows_of_the_files(whole: Path) -> None:
    tiers = {"hau": "low-resource", "zul": "low-resource", "el": "unseen"}
    rows = []
    for place in sorted((whole / "runs").iterdir()):
        config = json.loads((place / "config.json").read_text())
        own = {
            "run": place.name,
            "mono_ratio": config["sampler"]["mono_ratio"],
            "seed": config["seed"],
            "learning_rate": config["learning_rate"],
            "finished": True,
        }
        for line in (place / "metrics.jsonl").read_text().splitlines():
            row = json.loads(line)
            rows.append({**own, **row, "tier": tiers.get(row["query_language"], "trained")})
    pd.testing.assert_frame_equal(results(whole), pd.DataFrame(rows, columns=list(COLUMNS)))


@pytest.mark.parametrize("line", ["3", "[1, 2]", '{"step": 1}', '{"step": 1, "query_language": 3}', "{}, {}"])
def test_a_line_that_is_no_row_of_measures_is_named(whole: Path, tmp_path: Path, line: str) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    path = sorted((folder / "runs").iterdir())[1] / "metrics.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = line
    path.write_text("\n".join(lines))
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 3, is damaged"):
        results(folder)


def test_runs_judged_on_other_questions_are_compared_on_what_they_share(whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    run = read_folder(folder).runs[0]
    table = pd.read_parquet(run.folder / "per_query.parquet")
    table[table["query_id"].str.split("/").str[1] != "3"].to_parquet(run.folder / "per_query.parquet")
    sweep = read_folder(folder)
    summaries = summarise(sweep, read_metrics(sweep))
    values = query_values(sweep, summaries, ["AP"])
    tier_of = {code: name for name, codes in sweep.tiers.items() for code in codes}
    for (evaluation, setting, tier, measure), by_run in values.items():
        for item in sweep.runs:
            rows = pd.read_parquet(item.folder / "per_query.parquet")
            rows = rows[(rows["evaluation"] == evaluation) & (rows["setting"] == setting)]
            rows = rows[(rows["measure"] == measure) & (rows["query_language"].map(tier_of) == tier)]
            found = by_run[item.learning_rate, item.mono_ratio, item.seed]
            cells = rows.groupby(["query_language", "passage_language"])["value"].mean()
            # The mean over strata of the mean over questions is the macro mean over cells.
            assert found.groupby(level=0).mean().mean() == pytest.approx(cells.mean(), abs=1e-6)
            if evaluation == PARALLEL:
                assert ("3" in found.index.get_level_values(1)) == (item.name != run.name)
    kinds = set(intervals(summaries, values)["kind"])
    assert "bootstrap" in kinds


def test_files_that_are_no_figure_or_table_of_a_report_stay(whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole / "report", tmp_path / "report")
    names = (folder / "files.txt").read_text().splitlines()
    made = {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()}
    assert made == {*names, "files.txt", "report.html"}
    mine = [
        folder / name
        for name in (
            "notes.txt",
            "figures/notes.md",
            "figures/own.svg",
            "tables/own.csv",
            "tables/my/own.csv",
        )
    ]
    outside = tmp_path / "own.csv"
    for path in (*mine, outside):
        path.parent.mkdir(exist_ok=True)
        path.write_text("work")
    (folder / "files.txt").write_text(
        "\n".join([*names, "figures/gone.svg", "../own.csv", "report.html", ""])
    )
    kept = [name for name in names if "loss" in name]
    assert 0 < len(kept) < len(names)
    _replace_list(folder, kept)
    assert [path.read_text() for path in (*mine, outside)] == ["work"] * 6
    assert (folder / "files.txt").read_text().splitlines() == sorted(kept)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()}
    assert left == {*kept, "files.txt", "report.html", *(str(path.relative_to(folder)) for path in mine)}
    (folder / "files.txt").unlink()
    _replace_list(folder, [])  # a report of an older version: nothing is known to be its own
    assert all((folder / name).exists() for name in kept)
