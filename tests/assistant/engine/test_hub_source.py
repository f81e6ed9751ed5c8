"""The real hub client against a loopback stand-in for a hub."""

import hashlib
import json
import socket
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from assistant.engine.hub_source import HubModel, parse_hub_model
from assistant.engine.models import ModelStore
from assistant.errors import ModelUnavailableError

COMMIT = "c" * 40
INFO = {"/api/models/org/name", *(f"/api/models/org/name/revision/{r}" for r in ("main", COMMIT))}
FILES = {"config.json": b'{"model_type": "llama"}', "model.gguf": b"GGUF" * 64, "x.bin": b"pickle"}


class Hub(BaseHTTPRequestHandler):
    """Serves one repository, ``org/name``, and a gated one, ``org/gated``."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if "/gated" in path:
            self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
        elif "/broken" in path:
            self._answer(500, b"", {})
        elif path in INFO:
            siblings = [{"rfilename": name} for name in FILES]
            body = {"id": "org/name", "sha": COMMIT, "siblings": siblings}
            self._answer(200, json.dumps(body).encode(), {})
        elif path in {f"/api/models/org/name/tree/{r}" for r in ("main", COMMIT)}:
            tree = [
                {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha256(c).hexdigest()}
                for n, c in FILES.items()
            ]
            self._answer(200, json.dumps(tree).encode(), {})
        elif path.startswith("/org/name/resolve/") and path.rpartition("/")[2] in FILES:
            content = FILES[path.rpartition("/")[2]]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self._answer(200, content, {"ETag": etag, "X-Repo-Commit": COMMIT})
        elif path.startswith("/org/name/resolve/"):
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def endpoint() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path, endpoint: str) -> ModelStore:
    return ModelStore(tmp_path, hub_endpoint=endpoint)


def test_a_whole_repository_is_pulled_without_its_pickles(store: ModelStore) -> None:
    with pytest.raises(ModelUnavailableError, match="not been pulled"):
        store.path("org/name")
    path = store.pull("org/name")
    assert [p.name for p in path.iterdir()] == ["config.json"]
    assert store.path("org/name") == path
    assert any(e.name == "org/name" and e.path for e in store.entries())


def test_one_file_of_a_repository(store: ModelStore) -> None:
    path = store.pull("org/name:model.gguf")
    assert path.read_bytes() == FILES["model.gguf"]
    assert store.path("org/name:model.gguf") == path


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("org/name:missing.gguf", "holds no such file"),
        ("org/absent", "no such repository"),
        ("org/gated", "accept the licence"),
        ("org/broken", "answered 500"),
    ],
)
def test_what_the_hub_refuses_is_explained(store: ModelStore, reference: str, reason: str) -> None:
    with pytest.raises(ModelUnavailableError, match=reason):
        store.pull(reference)


@pytest.mark.parametrize("reference", ["org/name", "org/name:model.gguf"])
def test_an_unreachable_hub_is_named(tmp_path: Path, reference: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ModelUnavailableError, match=f"{endpoint} cannot be reached"):
            ModelStore(tmp_path, hub_endpoint=endpoint).pull(reference)


def test_without_the_client_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelUnavailableError, match=r"pip install 'corral\[hub\]'"):
        ModelStore(tmp_path).pull("org/name")


def test_references() -> None:
    assert parse_hub_model("org/name") == HubModel(repo="org/name")
    assert parse_hub_model("org/n:a/b.gguf") == HubModel(repo="org/n", file="a/b.gguf")
    for wrong in ("name", "org/", "/name", "org/name:/etc/passwd", "org/name:", "a b/c"):
        assert parse_hub_model(wrong) is None
