"""Reading and searching a folder of documents: ``python -m benchmarks.documents [--json FILE]``.

Documents of about 2,500 characters in English, German and Chinese are made of random words whose
frequencies fall as those of real ones do (Zipf). Questions are three or four words that stand
together somewhere, so that there is always something to find.
"""

import argparse
import asyncio
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from plugins.index import FolderIndex, open_index
from plugins.index.hits import ranked
from plugins.index.meaning import available

VOCABULARY = 20_000
QUESTIONS = 200
SYLLABLES = "ba be bo da de di fo ga ge ko la le lo ma me mi na ne no pa ra re ri sa se ta te va zu"
CHARACTERS = (
    "的一是在有人这上大来国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后"
)


def vocabulary(seed: random.Random) -> list[str]:
    """Made-up words, the frequent ones first."""
    syllables = SYLLABLES.split()
    return ["".join(seed.choices(syllables, k=seed.randint(1, 5))) for _ in range(VOCABULARY)]


def document(seed: random.Random, words: list[str], weights: list[float]) -> tuple[str, str]:
    """A document, and a question that it answers."""
    chinese = seed.random() < 0.2
    sections = []
    for _ in range(3):
        sentences = []
        for _ in range(8):
            if chinese:
                sentences.append("".join(seed.choices(CHARACTERS, k=40)) + "。")
            else:
                some = seed.choices(words, cum_weights=weights, k=16)
                sentences.append(" ".join(some).capitalize() + ".")
        heading = sentences[0][:30].strip(".。")
        sections.append(f"## {heading}\n\n" + (" " * (not chinese)).join(sentences) + "\n")
    chosen = seed.choice(sentences)
    question = chosen[5:11] if chinese else " ".join(chosen.strip(".").split()[4:8])
    return "# Document\n\n" + "\n".join(sections), question


def write(folder: Path, count: int) -> list[str]:
    """Fill ``folder``; the questions it answers."""
    seed = random.Random(20261122)
    words = vocabulary(seed)
    weights, total = [], 0.0
    for rank in range(1, len(words) + 1):
        total += 1.0 / rank
        weights.append(total)
    questions = []
    for number in range(count):
        place = folder / f"{number % 100:02}"
        place.mkdir(exist_ok=True)
        text, question = document(seed, words, weights)
        (place / f"{number}.md").write_text(text)
        questions.append(question)
    return seed.sample(questions, min(QUESTIONS, count))


async def ask(index: FolderIndex, questions: list[str]) -> dict[str, float]:
    """How long questions take, in milliseconds, and the share that finds something."""
    took, found = [], 0
    for question in questions:
        start = time.perf_counter()
        hits = ranked(await index.search(question))
        took.append(1_000 * (time.perf_counter() - start))
        found += bool(hits)
    return {
        "p50_ms": round(statistics.median(took), 2),
        "p99_ms": round(statistics.quantiles(took, n=100)[98], 2),
        "found": round(found / len(questions), 3),
    }


async def measure(count: int, vectors: int) -> dict[str, object]:
    """Index ``count`` documents anew, again and after a change; embed ``vectors`` pieces."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "documents"
        folder.mkdir()
        questions = write(folder, count)
        path = Path(name) / "index.sqlite3"
        start = time.perf_counter()
        async with open_index(folder, path) as index:
            await index.settled()
            built = time.perf_counter() - start
            files, pieces, _ = await index.counts()
            asked = await ask(index, questions)
        start = time.perf_counter()
        async with open_index(folder, path) as index:
            await index.settled()
            reopened = time.perf_counter() - start
        report: dict[str, object] = {
            "documents": files,
            "pieces": pieces,
            "build_seconds": round(built, 1),
            "documents_per_second": round(files / built),
            "reopen_seconds": round(reopened, 2),
            "index_mb": round(path.stat().st_size / 1e6, 1),
            "words": asked,
        }
        embedder = available() if vectors else None
        if embedder is not None:
            start = time.perf_counter()
            async with open_index(folder, path, embedder=embedder) as index:
                while (await index.counts())[2] < min(vectors, pieces):  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.05)
                report["pieces_embedded_per_second"] = round(
                    vectors / (time.perf_counter() - start), 1
                )
                report["words_and_meaning_while_embedding"] = await ask(index, questions[:50])
        report["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--vectors", type=int, default=100, help="pieces to embed; 0 for none")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    report = asyncio.run(measure(given.documents, given.vectors))
    text = json.dumps(report, indent=2)
    sys.stdout.write(text + "\n")
    if given.json is not None:
        given.json.write_text(text)


if __name__ == "__main__":
    main()
