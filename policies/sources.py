"""The files a policy is made of, read and checked one by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from pydantic import BaseModel, RootModel, ValidationError

from policies.document import Document, read_document
from policies.mistakes import Mistake, PolicyError
from policies.schema import (
    ClauseModel,
    PhrasesModel,
    PolicyModel,
    ResourcesModel,
    TextsModel,
    TopicsModel,
)
from policies.validation import Model, validate


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Generic[Model]):
    """A file and what it says.

    Where the file has mistakes, the fields they are in are left out of ``model``, so that the
    rest can still be checked and a person sees every mistake at once.
    """

    document: Document
    model: Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All files of a policy but its cases; ``clauses`` by their place in the policy file.

    A file that is not named or cannot be read is ``None`` or left out.
    """

    path: Path
    policy: Source[PolicyModel]
    clauses: Mapping[int, ClauseModel]
    texts: Mapping[str, Source[TextsModel]]
    phrases: Source[PhrasesModel] | None
    topics: Source[TopicsModel] | None
    resources: Source[ResourcesModel] | None
    mistakes: tuple[Mistake, ...]


def read_sources(path: Path) -> Sources:
    """Read the policy file at ``path`` and every file it names.

    Raises:
        PolicyError: the policy file itself cannot be read.
    """
    mistakes: list[Mistake] = []
    policy = read_source(path, PolicyModel, mistakes)
    if policy is None:
        raise PolicyError(mistakes)
    texts: dict[str, Source[TextsModel]] = {}
    for locale, file in (getattr(policy.model, "texts", None) or {}).items():
        source = read_source(path.parent / file, TextsModel, mistakes)
        if source is not None:
            texts[locale] = source
    phrases = getattr(policy.model, "phrases", None)
    topics = getattr(policy.model, "topics", None)
    resources = getattr(policy.model, "resources", None)
    return Sources(
        path=path,
        policy=policy,
        clauses=sound_items(policy.document, "clauses", ClauseModel),
        texts=texts,
        phrases=read_source(path.parent / phrases, PhrasesModel, mistakes) if phrases else None,
        topics=read_source(path.parent / topics, TopicsModel, mistakes) if topics else None,
        resources=(
            read_source(path.parent / resources, ResourcesModel, mistakes) if resources else None
        ),
        mistakes=tuple(mistakes),
    )


def read_source(path: Path, model: type[Model], mistakes: list[Mistake]) -> Source[Model] | None:
    """One file, or ``None`` if it is not readable at all. Adds what is wrong to ``mistakes``."""
    try:
        document = read_document(path, path.as_posix())
    except PolicyError as error:
        mistakes.extend(error.mistakes)
        return None
    checked, wrong = validate(document, model)
    mistakes.extend(wrong)
    if checked is None:
        checked = sound_part(model, document.data)
    return Source(document=document, model=checked)


def sound_part(model: type[Model], data: Any) -> Model:
    """``data`` as a ``model`` without the fields that have mistakes; those are then not set."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
    entries = data if isinstance(data, dict) else {}
    sound = {name: value for name, value in entries.items() if name not in wrong}
    if issubclass(model, RootModel):
        return model.model_construct(sound)
    return model.model_construct(**{n: v for n, v in sound.items() if n in model.model_fields})


def sound_items(document: Document, field: str, model: type[Model]) -> dict[int, Model]:
    """The sound part of every entry of a list in the file, by its place in it."""
    listed = document.data.get(field) if isinstance(document.data, dict) else None
    if not isinstance(listed, list):
        return {}
    return {place: sound_part(model, data) for place, data in enumerate(listed)}


def content(model: BaseModel) -> Any:
    """What a file says as plain data with every default written out, for the digest."""
    return model.model_dump(mode="json")
