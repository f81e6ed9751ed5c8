"""Sequence classifiers behind vLLM's classification endpoint, Prompt Guard 2 among them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from guards.conversation import Exchange, Subject
from guards.guard import GuardNonsenseError
from guards.hazards import Hazard
from guards.models.served_guard import Category, Opinion, ServedGuard, side_by_side
from guards.models.transcript import OVERLAP, neutralised
from guards.refusal import RejectedError, RejectionKind
from guards.upstream import Upstream

MAX_SEGMENTS = 128
SHORTEST = 64
"""Characters of a segment that is not halved any more; so few always fit a model's window."""

_INPUTS = frozenset(
    {Subject.USER_INPUT, Subject.TOOL_RESULT, Subject.DOCUMENT, Subject.IMAGE_PROMPT}
)
_BY_OTHERS = (Subject.TOOL_RESULT, Subject.DOCUMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLabel:
    """What one of a classifier's classes means.

    Attributes:
        names: what the server may call it, according to the model's configuration.
        hazard: what it counts as; ``None`` for what is harmless.
        by_subject: where it counts as something else.
        custom: how findings name it, where the hazard is not quite the same.
    """

    names: tuple[str, ...]
    hazard: Hazard | None = None
    by_subject: Mapping[Subject, Hazard] = field(default_factory=dict)
    custom: str | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("names must hold at least one")

    def counts_as(self, subject: Subject) -> Hazard | None:
        """The hazard it is in ``subject``."""
        return self.by_subject.get(subject, self.hazard)


PROMPT_GUARD_2 = (
    ClassLabel(names=("BENIGN", "LABEL_0")),
    ClassLabel(
        names=("MALICIOUS", "LABEL_1"),
        hazard=Hazard.JAILBREAK,
        by_subject=dict.fromkeys(_BY_OTHERS, Hazard.PROMPT_INJECTION),
    ),
)
"""Llama Prompt Guard 2: from the user it is a jailbreak, from anywhere else an injection."""


class SequenceClassifier(ServedGuard):
    """A sequence classifier, asked about the judged text alone.

    Classifiers have short windows: the text is judged in overlapping segments, and one the
    server calls too long in halves of it, so that nothing is ever cut off. Each hazard keeps its
    highest probability; the score is the highest of any segment: what its harmful classes sum to,
    or the likeliest of them where classes are independent.

    Args:
        upstreams: servers of the same model; the others are asked when one fails.
        labels: the model's classes in their order.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
        name: as in policies and the decision log.
        timeout: seconds for one judgement over all servers and segments.
        max_bytes: UTF-8 bytes of one segment; the default suits 512 tokens of ordinary text.
        subjects: what it is asked about.
        multi_label: whether classes are independent, so that they need not sum to one.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        labels: Sequence[ClassLabel],
        clock: Callable[[], float],
        model: str = "",
        name: str = "sequence_classifier",
        timeout: float = 5.0,
        max_bytes: int = 1_400,
        subjects: frozenset[Subject] = _INPUTS,
        multi_label: bool = False,
    ) -> None:
        hazards = {label.hazard for label in labels}
        hazards |= {hazard for label in labels for hazard in label.by_subject.values()}
        if len(labels) < 2 or hazards == {None}:
            raise ValueError("labels must hold at least two, one of them with a hazard")
        names = [name for label in labels for name in label.names]
        if len(set(names)) != len(names):
            raise ValueError("labels must each have names of their own")
        if not subjects or Subject.IMAGE in subjects:
            raise ValueError("subjects must hold at least one, and no images")
        self._labels = tuple(labels)
        self._multi_label = multi_label
        super().__init__(
            upstreams,
            clock=clock,
            model=model,
            name=name,
            timeout=timeout,
            max_bytes=2 * max_bytes,  # there is no context that would need the other half
            family="sequence-classifier",
            hazards=frozenset(hazard for hazard in hazards if hazard is not None),
            subjects=subjects,
            shape=(
                multi_label,
                [(x.names, x.hazard, sorted(x.by_subject.items()), x.custom) for x in labels],
            ),
            max_segments=MAX_SEGMENTS,
        )

    def _shown(self, exchange: Exchange) -> str:
        # A server may refuse to classify nothing at all.
        return neutralised(exchange.text) or " "

    async def _opinion(self, exchange: Exchange, judged: str, deadline: float) -> Opinion:
        probabilities: dict[Category, float] = {}
        score = 0.0
        for shares in await self._classified(judged, deadline):
            harmful = 0.0
            for label, share in zip(self._labels, shares, strict=True):
                hazard = label.counts_as(exchange.subject)
                if hazard is not None:
                    category = (hazard, label.custom)
                    probabilities[category] = max(probabilities.get(category, 0.0), share)
                    harmful = max(harmful, share) if self._multi_label else harmful + share
            score = max(score, min(harmful, 1.0))
        return Opinion(probabilities=probabilities, score=score)

    async def _classified(self, text: str, deadline: float) -> list[tuple[float, ...]]:
        """The shares of each class in ``text``, or in each part of it the model can read."""
        read = partial(read_shares, labels=self._labels, multi_label=self._multi_label)
        try:
            shares = await self._servers.ask(
                "/classify", {"input": text}, read, affinity=text[:256], deadline=deadline
            )
        except RejectedError as error:
            if error.kind is not RejectionKind.CONTEXT_TOO_LONG or len(text) <= SHORTEST:
                raise
        else:
            return [shares]
        middle, overlap = len(text) // 2, len(text) // OVERLAP // 2
        halves = (text[: middle + overlap], text[middle - overlap :])
        parts = await side_by_side([self._classified(half, deadline) for half in halves])
        return [shares for part in parts for shares in part]


def read_shares(
    payload: object, *, labels: Sequence[ClassLabel], multi_label: bool
) -> tuple[float, ...]:
    """The probability of each class in the classification of one text.

    Raises:
        GuardNonsenseError: it is none, has not one probability for each of ``labels``, or calls
            the likeliest class by a name of another.
    """
    try:
        (entry,) = payload["data"]  # type: ignore[index] # what is no mapping raises
        shares, said = entry["probs"], entry["label"]
    except (KeyError, TypeError, ValueError):
        raise GuardNonsenseError("the guard's answer is no classification") from None
    if not isinstance(shares, list) or len(shares) != len(labels):
        raise GuardNonsenseError("the guard has not the classes it should have")
    if not all(isinstance(s, float | int) and 0.0 <= s <= 1.0 for s in shares):
        raise GuardNonsenseError("the guard's probabilities cannot be read")
    if not multi_label and abs(sum(shares) - 1.0) > 0.02:
        raise GuardNonsenseError("the guard's probabilities do not sum to one")
    if said not in labels[shares.index(max(shares))].names:
        raise GuardNonsenseError("the guard calls its classes by other names")
    return tuple(map(float, shares))
