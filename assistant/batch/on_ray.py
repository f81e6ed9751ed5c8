"""The same moderation on Ray Data: actors that each hold the guards, on one machine or many."""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from assistant.batch.moderator import Line, Outcome, Terms, open_moderator
from assistant.batch.source import SourceError, numbered
from guards.evaluate.workers import Bench

CHUNK = 500
"""Lines that an actor takes at once."""


class RayUnusableError(RuntimeError):
    """Ray is not installed, is not to be reached, or gave up. ``hint`` is what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def moderate_on_ray(
    path: Path, terms: Terms, *, actors: int, jobs: int, after: int = 0
) -> Iterator[Outcome]:
    """What became of every line behind ``after``, in order, as it comes back from the actors.

    ``RAY_ADDRESS`` names a cluster; without it Ray is started on this machine, on the loopback
    interface, and ended again. Every machine must reach ``path`` under the same name, and the
    policy and models that the settings name; the settings travel to the actors, keys included.

    Raises:
        RayUnusableError: Ray cannot be used here, or an actor failed.
        SourceError: the input is compressed or cannot be read.
    """
    if path.suffix.lower() == ".gz":
        raise SourceError(f"{path}: Ray reads parts of a file, so it must be unpacked first")
    chunks = _chunks(path, after)
    if not chunks:
        return
    with _ray(actors) as ray:
        ray.data.DataContext.get_current().enable_progress_bars = False
        ray.data.DataContext.get_current().execution_options.preserve_order = True
        decided = ray.data.from_items(chunks, override_num_blocks=len(chunks)).map_batches(
            _Moderator,
            fn_constructor_args=(terms, jobs),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=1,
        )
        for row in decided.iter_rows():
            yield Outcome(
                number=row["number"], name=row["name"], failed=row["failed"], output=row["output"]
            )


@contextmanager
def _ray(actors: int) -> Iterator[Any]:
    # Ray would report its use to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RayUnusableError(
            "Ray is not installed",
            "install it with `pip install 'corral[ray]'`, or leave out --backend ray",
        ) from error
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    mine = "RAY_ADDRESS" not in os.environ
    try:
        if mine:
            ray.init(
                address="local",
                num_cpus=actors + 1,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
                _node_ip_address="127.0.0.1",
            )
        else:
            ray.init(log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RayUnusableError(
            f"Ray cannot be reached ({type(error).__name__})",
            "RAY_ADDRESS names the cluster; without it Ray starts on this machine",
        ) from error
    try:
        yield ray
    except ray.exceptions.RayError as error:
        raise RayUnusableError(
            f"Ray gave up ({type(error).__name__})",
            "look at Ray's own logs; the same guards by `--backend local` say what is wrong",
        ) from error
    finally:
        ray.shutdown()


def _chunks(path: Path, after: int) -> list[dict[str, Any]]:
    """Where each part of the file begins: bytes, and the number of its first line."""
    chunks: list[dict[str, Any]] = []
    place = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if number > after:
                    if not chunks or number - chunks[-1]["first"] == CHUNK:
                        chunks.append(
                            {
                                "path": str(path.resolve()),
                                "start": place,
                                "first": number,
                                "size": 0,
                            }
                        )
                    chunks[-1]["size"] += len(raw)
                place += len(raw)
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read: {error.strerror or type(error).__name__}"
        ) from error
    return chunks


class _Moderator:
    """The actor: opens guards and policy once, then decides chunk after chunk."""

    def __init__(self, terms: Terms, jobs: int) -> None:
        self._bench: Bench[Line, Outcome] = Bench(partial(open_moderator, terms), jobs)

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        outcomes = [
            outcome for chunk in batch.to_pylist() for outcome in self._bench.do(_lines(chunk))
        ]
        return {
            "number": [outcome.number for outcome in outcomes],
            "name": [outcome.name for outcome in outcomes],
            "failed": [outcome.failed for outcome in outcomes],
            "output": [outcome.output for outcome in outcomes],
        }


def _lines(chunk: dict[str, Any]) -> list[Line]:
    with Path(chunk["path"]).open("rb") as file:
        file.seek(chunk["start"])
        part = file.read(chunk["size"])
    return list(numbered(io.BytesIO(part), chunk["first"]))
