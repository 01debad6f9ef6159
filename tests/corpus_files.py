"""Small data sets in the published layouts, written for the tests."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

real_data = pytest.mark.skipif(
    not os.environ.get("HYBRID_FAST_DATA"),
    reason="set HYBRID_FAST_DATA to the folder of the public data sets",
)


def write(path: Path, text: str) -> Path:
    """Write text, gzip-compressed where the name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    """Write JSON Lines."""
    return write(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def paragraph(sentences: list[str], questions: dict[str, int], language: str = "en") -> dict[str, Any]:
    """Return a paragraph in LAReQA's layout; questions: id to the sentence that answers it."""
    breaks, context = [], ""
    for sentence in sentences:
        breaks.append([len(context), len(context) + len(sentence)])
        context += sentence + " "
    context = context[:-1]
    return {
        "context": context,
        "sentences": sentences,
        "sentence_breaks": breaks,
        "qas": [
            {
                "id": id,
                "question": f"{language} question {id}?",
                "answers": [
                    {"answer_start": breaks[gold][0], "text": sentences[gold].split()[0]},
                ],
            }
            for id, gold in questions.items()
        ],
    }


def lareqa(language: str) -> dict[str, Any]:
    """Return three articles of one language: five questions, two of which share their sentence."""

    def say(text: str) -> str:
        return f"{language} {text}." if text != "1999" else text

    return {
        "version": "1.0",
        "data": [
            {
                "title": "First",
                "paragraphs": [
                    paragraph([say("alpha one"), say("alpha two")], {"q1": 0, "q2": 0}, language),
                    paragraph([say("beta one"), say("beta two")], {"q3": 1}, language),
                ],
            },
            {
                "title": "Second",
                "paragraphs": [paragraph([say("gamma one"), "1999"], {"q4": 0}, language)],
            },
            {
                "title": "Third",
                "paragraphs": [paragraph([say("delta one")], {"q5": 0}, language)],
            },
        ],
    }


def write_lareqa(folder: Path, languages: str = "en de") -> Path:
    """Write a folder of LAReQA files, the first plain, the others compressed."""
    for number, language in enumerate(languages.split()):
        ending = ".json.gz" if number else ".json"
        write(folder / f"{language}{ending}", json.dumps(lareqa(language), ensure_ascii=False))
    return folder


def write_afriqa(folder: Path) -> Path:
    """Write AfriQA files: Hausa to English with a shared passage and a null one, Fon to French."""

    def record(id: str, question: str | None, pivot: str | None, context: str | None) -> dict[str, Any]:
        return {
            "id": id,
            "question_lang": question,
            "question_translated": pivot,
            "title": f"Title {id}",
            "context": context,
            "answer_pivot": {"answer_start": [0], "text": ["x"]},
            "answer_lang": "x",
        }

    write_lines(
        folder / "gold_passages" / "hau.en.test.jsonl.gz",
        [
            record("0", "Ina Kano?", "Where is Kano?", "Kano is in Nigeria."),
            record("1", "Wace kasa ce Kano?", "What country is Kano in?", "Kano is in Nigeria."),
            record("2", "Babu?", "Nothing?", None),
        ],
    )
    write_lines(
        folder / "gold_passages" / "hau.en.train.jsonl",
        [record("0", "Wanene Musa?", "Who is Musa?", "Musa was a king.")],
    )
    write_lines(
        folder / "gold_passages" / "fon.fr.test.jsonl.gz",
        [record("0", "Etɛ?", "Quoi ?", "Le Bénin est un pays.")],
    )
    return folder


QRELS_HEADER = "query-id\tcorpus-id\tscore\n"


def write_beir(folder: Path, ending: str = "", **files: Any) -> Path:
    """Write three passages, three queries and the judgements of two splits."""
    passages = [
        {"_id": "d1", "title": "Kano", "text": "A city.", "metadata": {}},
        {"_id": "d2", "title": "", "text": "A river.", "metadata": {}},
        {"_id": 3, "text": "A hill.", "metadata": {}},
    ]
    queries = [{"_id": f"q{n}", "text": f"question {n}?", "metadata": {}} for n in (1, 2, 3)]
    write_lines(folder / f"corpus.jsonl{ending}", files.get("corpus", passages))
    write_lines(folder / f"queries.jsonl{ending}", files.get("queries", queries))
    splits = {
        "test": QRELS_HEADER + "q1\td1\t2\nq1\td2\t0\nq2\t3\t1\n",
        "train": QRELS_HEADER + "q3\td2\t1\n",
    }
    for split, text in files.get("qrels", splits).items():
        write(folder / "qrels" / f"{split}.tsv{ending}", text)
    return folder


def docs(start: int, end: int, language: str) -> str:
    """Return MIRACL passages start to end as lines."""
    return "".join(
        json.dumps({"docid": f"{n // 2}#{n % 2}", "title": f"{language} title", "text": f"text {n}"}) + "\n"
        for n in range(start, end)
    )


def write_miracl(folder: Path, languages: str = "sw yo") -> Path:
    """Write topics, judgements and four shards of each language in MIRACL's layout."""
    for code in languages.split():
        name = f"miracl-v1.0-{code}"
        write(
            folder / name / "topics" / f"topics.{name}-dev.tsv", f"1\t{code} who\n2\t{code} what\n3\tnone\n"
        )
        write(folder / name / "topics" / f"topics.{name}-testA.tsv", "9\tunjudged\n")
        write(
            folder / name / "qrels" / f"qrels.{name}-dev.tsv",
            "1 Q0 0#0 1\n1\tQ0\t0#1\t0\n1 Q0 5#1 1\n2 Q0 2#1 1\n",
        )
        corpus = folder / f"miracl-corpus-v1.0-{code}"
        write(corpus / "docs-0.jsonl.gz", docs(0, 4, code))
        write(corpus / "docs-1.jsonl.gz", docs(4, 11, code))
        write(corpus / "docs-10.jsonl.gz", docs(12, 13, code))
        write(corpus / "docs-2.jsonl", docs(11, 12, code))
    return folder


NTREX_DOCUMENTS = ["a"] * 7 + ["b"] * 2 + ["c"]


def write_ntrex(folder: Path) -> Path:
    """Write ten parallel sentences of three documents in three languages."""
    write(folder / "document_ids.txt.gz", "".join(f"{item}\n" for item in NTREX_DOCUMENTS))
    for code in ("eng", "swa", "zho-CN"):
        write(folder / f"{code}.txt.gz", "".join(f"{code} {n}.\n" for n in range(len(NTREX_DOCUMENTS))))
    return folder


def write_tico(folder: Path, **changes: str) -> Path:
    """Write six parallel sentences of two documents in three languages."""
    for code in ("en", "es-LA", "sw"):
        text = "".join(f"D_{n // 3}:{n}\t{code} {n}\n" for n in range(6))
        write(folder / f"{code}.tsv.gz", changes.get(code[:2], text))
    return folder
