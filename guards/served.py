"""What a server says it serves."""

from dataclasses import dataclass

from guards.refusal import BadResponseError
from guards.upstream import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model a server offers; ``window`` in tokens where the server says."""

    name: str
    window: int | None = None


async def served_models(upstream: Upstream, *, timeout: float) -> tuple[ServedModel, ...]:
    """What ``/models`` lists, in its order.

    ``max_model_len`` is vLLM's name for the window.

    Raises:
        UpstreamError: of any kind; an empty list is a ``BadResponseError``.
    """
    payload = await upstream.get_json("models", timeout=timeout)
    entries = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(entries, list) or not entries:
        raise BadResponseError(f"{upstream.name} lists no models")
    models = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise BadResponseError(f"{upstream.name} lists a model without an id")
        window = entry.get("max_model_len")
        models.append(
            ServedModel(name=entry["id"], window=window if isinstance(window, int) else None)
        )
    return tuple(models)
