"""Tables of what was measured, for the terminal and for the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- rivals: begin -->", "<!-- rivals: end -->"
HEADINGS = ("who", "seconds", "a second", "times ours", "of the pure read")


def show(run: dict[str, Any]) -> None:
    """Print one table of a run, and what it was run on."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=150)
    table = Table(*HEADINGS, title=heading(run), title_justify="left")
    for work in run["works"].values():
        table.add_section()
        table.add_row(f"[bold]{work['title']}[/bold]")
        for row in rows(work):
            table.add_row(*row)
        for line in verdicts(work, run):
            table.add_row(f"[italic]{line}[/italic]")
    console.print(table)
    for line in about(run):
        console.print(line)


def heading(run: dict[str, Any]) -> str:
    """Name the number of threads."""
    return f"{run['threads']} thread{'s' if run['threads'] > 1 else ''}"


def about(run: dict[str, Any]) -> list[str]:
    """Say what the figures belong to."""
    machine = run["machine"]
    lines = [
        f"Processor: {machine['processor']}, {machine['usable']} of {machine['cores']} cores, "
        f"{machine['memory']}; {' '.join(machine['features'])}",
        f"System: {machine['system']}",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
        "BLAS: " + "; ".join(machine["blas"]),
        f"Instructions of hybrid_fast: {machine['instructions']}; shortest of {run['rounds']} rounds",
    ]
    if run["missing"]:
        lines.append(f"Not installed, left out: {', '.join(run['missing'])}")
    return lines


def ours(work: dict[str, Any]) -> float:
    """Return our seconds."""
    return next(float(who["seconds"]) for who in work["contestants"] if who["role"] == "ours")


def reading(work: dict[str, Any]) -> tuple[str, float] | None:
    """Return the fastest reader and its seconds."""
    readers = [who for who in work["contestants"] if who["role"] == "read"]
    best = min(readers, key=lambda who: who["seconds"], default=None)
    return None if best is None else (best["who"], best["seconds"])


def rows(work: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the cells of a work's contestants, fastest reader last."""
    read = reading(work)
    found: list[tuple[str, ...]] = []
    for who in work["contestants"]:
        if who["role"] == "read" and (read is None or who["who"] != read[0]):
            continue
        notes = [who["note"]] if who["note"] else []
        if who["share"] < 1:
            notes.append(f"timed on {who['share']:.3g} of the work, scaled")
        if who["differs"]:
            notes.append("ANSWERS DIFFER")
        if "product alone" in who["who"]:
            notes.append("no search")
        name = who["who"] + (f" ({'; '.join(notes)})" if notes else "")
        rate = (
            f"{work['amount'] / who['seconds'] / work['scale']:.3g} {work['unit']}" if work["amount"] else ""
        )
        share = "" if read is None else f"{100 * read[1] / who['seconds']:.3g} %"
        found.append((name, f"{who['seconds']:.4g}", rate, f"{who['seconds'] / ours(work):.3g}", share))
    return found


def verdicts(work: dict[str, Any], run: dict[str, Any]) -> list[str]:
    """Say for each aim what was reached; aims are for full sizes."""
    lines: list[str] = []
    if run["quick"]:
        return lines
    rivals = [who for who in work["contestants"] if who["role"] == "rival" and not who["differs"]]
    best = min(rivals, key=lambda who: float(who["seconds"]), default=None)
    if best is not None:
        lines.append(f"best rival: {best['who']}, {best['seconds'] / ours(work):.2f} × our time")
    for aim in work["aims"]:
        if aim["times"] is not None:
            lines += faster(work, aim)
        lines += reached_by_itself(work, aim)
        read = reading(work)
        if aim["read"] is not None and read is not None:
            speed = work["amount"] / read[1] / 1e9
            wanted = aim["read"][2] if run["threads"] > 1 else aim["read"][0 if speed <= 20 else 1]
            if wanted is not None:
                reached = read[1] / ours(work)
                lines.append(
                    f"{mark(reached >= wanted)}: {100 * reached:.0f} % of the pure read ({speed:.1f} GB/s), "
                    f"aim {100 * wanted:.0f} %"
                )
    return lines


def faster(work: dict[str, Any], aim: dict[str, Any]) -> list[str]:
    """Compare with the fastest of those that an aim names."""
    named = [
        who
        for who in work["contestants"]
        if (who["who"].startswith(tuple(aim["against"])) if aim["against"] else who["role"] == "rival")
        and not who["differs"]
    ]
    if not named:
        return []
    best = min(named, key=lambda who: who["seconds"])
    reached = best["seconds"] / ours(work)
    return [f"{mark(reached >= aim['times'])}: {reached:.2f} × {best['who']}, aim {aim['times']:g} ×"]


def reached_by_itself(work: dict[str, Any], aim: dict[str, Any]) -> list[str]:
    """Compare one of our times with a pace or a limit."""
    named = [who for who in work["contestants"] if who["who"].startswith(aim["of"])]
    if not named or (aim["rate"] is None and aim["within"] is None):
        return []
    who = named[0]
    if aim["rate"] is not None:
        pace = work["amount"] / who["seconds"] / work["scale"]
        return [f"{mark(pace >= aim['rate'])}: {who['who']} {pace:.1f} {work['unit']}, aim {aim['rate']:g}"]
    limit = aim["within"]
    return [f"{mark(who['seconds'] <= limit)}: {who['who']} {who['seconds']:.2g} s, aim {limit:g} s"]


def mark(met: bool) -> str:
    """Return the word for an aim."""
    return "met" if met else "MISSED"


def markdown(runs: list[dict[str, Any]]) -> str:
    """Return the tables of all runs."""
    lines = [f"- {line}" for line in about(runs[0])]
    for run in runs:
        lines += ["", f"### {heading(run).capitalize()}"]
        for work in run["works"].values():
            lines += ["", f"**{work['title']}**" + (f"  \n{work['data']}" if work["data"] else ""), ""]
            lines += [f"| {' | '.join(HEADINGS)} |", "|---" + "|---:" * (len(HEADINGS) - 1) + "|"]
            for row in rows(work):
                bold = row[0] == "hybrid_fast" or row[0].startswith(
                    ("import hybrid", "hybrid_fast ranks, f16")
                )
                lines.append(
                    "| " + " | ".join(f"**{cell}**" if bold and cell else cell for cell in row) + " |"
                )
            lines += ["", *(f"- {line}" for line in verdicts(work, run))]
    return "\n".join(lines)


def write_section(file: Path, text: str) -> None:
    """Put the tables between the marks of a file."""
    page = file.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{file} lacks the marks {BEGIN} and {END}")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
