"""Questions as FTS5 queries that hold nothing but quoted terms."""

from collections.abc import Sequence

from plugins.index.terms import is_wide

_LEAST_PREFIX = 5
_ENDING = 3
"""Letters at the end of a long word that its other forms may not share."""


def match_query(terms: Sequence[str]) -> str:
    """An FTS5 query for documents that hold any of ``terms``; empty when there are none.

    A word also finds others that begin as it does: ``holidays`` finds ``holiday``. Every term
    is a quoted string, in which FTS5 knows no operators.
    """
    parts = []
    for term in terms:
        if is_wide(term):
            parts.append(_quoted(term) if len(term) > 1 else f"{_quoted(term)}*")
            continue
        parts.append(_quoted(term))
        if len(term) >= _LEAST_PREFIX:
            parts.append(f"{_quoted(term[: max(_LEAST_PREFIX, len(term) - _ENDING)])}*")
    return " OR ".join(parts)


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""').replace("\0", "") + '"'
