"""Addresses of results: which are the same, and whose they are."""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

_LONGEST = 2_000
_TRACKING = re.compile(
    r"(utm_\w+|mtm_\w+|pk_\w+|hsa_\w+|ga_\w+|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid"
    r"|twclid|ttclid|igshid|igsh|mc_cid|mc_eid|mkt_tok|vero_id|oly_\w+_id|_hsenc|_hsmi|_ga|_gl"
    r"|ref_src|ref_url|cmpid|spm|srsltid)\Z",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}
_SITE = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+"
)


def canonical(url: str) -> str | None:
    """What all spellings of a page's address have in common; ``None`` for what is no address.

    Scheme, ``www.``, default ports, fragments, tracking parameters, the order of parameters and
    a slash at the end make no difference. Addresses with user names are none.
    """
    if len(url) > _LONGEST or any(character <= " " for character in url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
        host = host_of(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or host is None or "@" in parts.netloc:
        return None
    place = host.removeprefix("www.")
    if port not in (None, _PORTS[scheme]):
        place = f"{place}:{port}"
    path = quote(unquote(parts.path), safe="/~!$&'()*+,;=:@-._").rstrip("/")
    query = urlencode(sorted((name, value) for name, value in pairs if not _TRACKING.match(name)))
    return f"{place}{path}?{query}" if query else f"{place}{path}"


def host_of(url: str) -> str | None:
    """The host of an address, in lower case and as names are looked up."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    if not host:
        return None
    try:
        return host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None


def site_of(text: str) -> str:
    """The host that a person means by ``example.org``, ``www.example.org/`` or an address.

    Raises:
        ValueError: it is no host name.
    """
    plain = text.strip().removeprefix("site:")
    host = host_of(plain if "://" in plain else f"https://{plain}")
    if host is None or not _SITE.fullmatch(host):
        raise ValueError("must be a host name such as example.org")
    return host.removeprefix("www.")


def belongs(url: str, site: str) -> bool:
    """Whether an address is at ``site`` or one of its subdomains."""
    host = host_of(url)
    return host is not None and (host == site or host.endswith(f".{site}"))
