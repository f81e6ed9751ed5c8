"""What people and the model read, by language, with crisis lines by country."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from policies.schema import LineModel, ResourcesModel

REFUSED = "refused"
UNAVAILABLE = "unavailable"
ESCALATED = "escalated"
APPROVAL = "approval"
SYSTEM_PROMPT = "system_prompt"
REQUIRED_KEYS = (SYSTEM_PROMPT, REFUSED, UNAVAILABLE, ESCALATED)

TITLE = "{title}"
RESOURCES = "{resources}"
LABEL = "{label}"
TOOL = "{tool}"

LINE_KEYS = {
    "resource_call": "{call}",
    "resource_text": "{text}",
    "resource_web": "{web}",
    "resource_emergency": "{emergency}",
}
"""Texts that word one way to reach help, each with the placeholder it must hold."""
ANYWHERE = "resource_anywhere"


@lru_cache(maxsize=256)
def fallbacks(locale: str) -> tuple[str, ...]:
    """``zh_Hans_CN.UTF-8`` as ``("zh-hans-cn", "zh-hans", "zh")``."""
    parts = locale.partition(".")[0].replace("_", "-").lower().split("-")
    return tuple("-".join(parts[:end]) for end in range(len(parts), 0, -1))


@lru_cache(maxsize=256)
def region_of(locale: str) -> str | None:
    """The country a locale names: ``zh-Hans-CN`` gives ``CN``, ``en`` gives none."""
    parts = locale.partition(".")[0].replace("_", "-").split("-")
    for part in parts[1:]:
        if len(part) == 2 and part.isascii() and part.isalpha():
            return part.upper()
    return None


def in_locale(texts: Mapping[str, str], locale: str, default: str) -> str:
    """The text for ``locale``, for what it falls back to, or for ``default``."""
    for tag in fallbacks(locale):
        if tag in texts:
            return texts[tag]
    return texts[default.lower()]


def by_tag(texts: Mapping[str, str]) -> dict[str, str]:
    """The same texts under lower-case tags, as :func:`in_locale` wants them."""
    return {tag.lower(): text for tag, text in texts.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """All texts of a policy.

    Attributes:
        default: locale used when nothing nearer exists.
        by_key: for each key its text by lower-case language tag.
        resources: crisis lines, if the policy has any.
    """

    default: str
    by_key: Mapping[str, Mapping[str, str]]
    resources: ResourcesModel | None

    def get(self, key: str, locale: str, *, title: str = "", tool: str = TOOL) -> str:
        """The text for ``key`` with ``{title}``, ``{tool}`` and ``{resources}`` filled in.

        Without a ``tool`` its place stays marked.

        Raises:
            KeyError: the policy has no text of that key.
        """
        text = in_locale(self.by_key[key], locale, self.default)
        if RESOURCES in text:
            text = text.replace(RESOURCES, "\n".join(self._help(locale)))
        return text.replace(TITLE, title).replace(TOOL, tool)

    def _help(self, locale: str) -> Iterator[str]:
        """One line of text for each place to find help, nearest first."""
        assert self.resources is not None, "checked at load"  # noqa: S101 - states the invariant
        region = self.resources.regions.get(self._region(locale))
        if region is not None:
            for line in region.lines:
                yield f"- {self._line(line, locale)}"
            emergency = self._say("resource_emergency", region.emergency, locale)
            yield f"- {emergency}"
        yield f"- {in_locale(self.by_key[ANYWHERE], locale, self.default)}"

    def _region(self, locale: str) -> str:
        named = region_of(locale)
        if named is not None:
            return named
        languages = {
            tag.lower(): region
            for tag, region in (self.resources.languages.items() if self.resources else ())
        }
        for tag in fallbacks(locale):
            if tag in languages:
                return languages[tag]
        return ""

    def _line(self, line: LineModel, locale: str) -> str:
        ways = [
            self._say(key, value, locale)
            for key, value in (
                ("resource_call", line.call),
                ("resource_text", line.text),
                ("resource_web", line.web),
            )
            if value is not None
        ]
        name = in_locale(by_tag(line.name), locale, self.default)
        return f"{name}: {', '.join(ways)}"

    def _say(self, key: str, value: str, locale: str) -> str:
        template = in_locale(self.by_key[key], locale, self.default)
        return template.replace(LINE_KEYS[key], value)
