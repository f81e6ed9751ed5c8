"""Take a model out of a Hugging Face hub, where the client is installed and a hub reachable."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ModelUnavailableError

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

ETAG_DEADLINE = 10.0
"""Seconds to wait for a hub's answer about one file."""

WEIGHTS = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")
"""What of a repository an engine needs: no pickles, which run code when loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A repository, or with ``file`` one file of it, such as one GGUF among many."""

    repo: str
    file: str | None = None


def parse_hub_model(reference: str) -> HubModel | None:
    """Read ``org/name`` or ``org/name:path/in/repo.gguf``; ``None`` if it is neither."""
    repo, colon, file = reference.partition(":")
    if not _REPO.fullmatch(repo) or (colon and not _is_inside(file)):
        return None
    return HubModel(repo=repo, file=file or None)


def _is_inside(file: str) -> bool:
    return bool(file) and not file.startswith(("/", "\\")) and ".." not in Path(file).parts


def fetch_from_hub(
    model: HubModel, folder: Path, *, endpoint: str | None = None, offline: bool = False
) -> Path:
    """Download ``model`` below ``folder`` and return its file or its snapshot's folder.

    Interrupted downloads are resumed. The hub client checks each large file against the digest
    the hub names. ``endpoint`` defaults to ``HF_ENDPOINT``, then the public hub; ``offline``
    only looks at what is there already.

    Raises:
        ModelUnavailableError: the client is not installed, the hub cannot be reached, or it does
            not have or does not give the model.
    """
    try:
        from httpx2 import HTTPError
        from huggingface_hub import HfApi, errors  # an extra, and slow to import
    except ImportError:
        raise ModelUnavailableError(
            f"{model.repo} is on a Hugging Face hub and huggingface_hub is not installed: "
            "pip install 'corral[hub]'"
        ) from None
    api = HfApi(endpoint=endpoint or os.environ.get("HF_ENDPOINT"), library_name="corral")
    try:
        if not offline:
            # Asked first because it fails at once where the downloads would retry for long.
            api.model_info(model.repo, timeout=ETAG_DEADLINE)
        if model.file is not None:
            return Path(
                api.hf_hub_download(
                    model.repo,
                    model.file,
                    cache_dir=folder,
                    etag_timeout=ETAG_DEADLINE,
                    local_files_only=offline,
                )
            )
        return Path(
            api.snapshot_download(
                model.repo,
                cache_dir=folder,
                etag_timeout=ETAG_DEADLINE,
                allow_patterns=list(WEIGHTS),
                local_files_only=offline,
            )
        )
    except errors.GatedRepoError:
        reason = "its owner wants you to accept the licence first; then set HF_TOKEN"
    except errors.RepositoryNotFoundError:
        reason = "there is no such repository, or HF_TOKEN does not open it"
    except (errors.EntryNotFoundError, errors.RevisionNotFoundError) as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            reason = "it has not been pulled yet" if offline else f"{api.endpoint} broke off"
        else:
            reason = "the repository holds no such file"
    except errors.HfHubHTTPError as error:
        reason = f"{api.endpoint} answered {error.response.status_code}"
    except (HTTPError, OSError) as error:
        reason = f"{api.endpoint} cannot be reached ({type(error).__name__})"
    raise ModelUnavailableError(f"{model.repo} could not be pulled: {reason}")
