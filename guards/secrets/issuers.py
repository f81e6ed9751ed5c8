"""Keys and tokens whose issuers gave them a form of their own."""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from guards.detection import Hit
from guards.secrets.placeholders import looks_made_up


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issued:
    """One kind of token.

    Attributes:
        needle: every such token holds it, so a text without it need not be searched.
        probability: of a token in this form; ``unchecked`` when ``check`` does not confirm it.
    """

    label: str
    needle: str
    pattern: re.Pattern[str]
    probability: float
    check: Callable[[str], bool] | None = None
    unchecked: float = 0.0


def _issued(
    label: str,
    needle: str,
    pattern: str,
    probability: float = 0.98,
    check: Callable[[str], bool] | None = None,
    unchecked: float = 0.0,
) -> _Issued:
    return _Issued(
        label=label,
        needle=needle,
        pattern=re.compile(rf"(?<![A-Za-z0-9_-])(?:{pattern})(?![A-Za-z0-9_])"),
        probability=probability,
        check=check,
        unchecked=unchecked,
    )


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _ends_in_crc32(token: str) -> bool:
    """Whether the last six characters are the CRC-32 of the part before, in base 62."""
    body, check = token.rpartition("_")[2][:-6], token[-6:]
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return digits == check


def _is_jwt(token: str) -> bool:
    header = token.partition(".")[0]
    try:
        return b'"alg"' in base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    except (binascii.Error, ValueError):
        return False


_ISSUED = (
    _issued("AWS_ACCESS_KEY", "A", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    _issued("GOOGLE_API_KEY", "AIza", r"AIza[\w-]{35}"),
    _issued("GOOGLE_OAUTH", "ya29.", r"ya29\.[\w-]{20,500}"),
    _issued("GOOGLE_OAUTH", "GOCSPX-", r"GOCSPX-[\w-]{28}"),
    _issued("AZURE_KEY", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    _issued("AZURE_KEY", "8Q~", r"[\w.~-]{3}8Q~[\w.~-]{34}"),
    _issued("GITHUB_TOKEN", "gh", r"gh[pousr]_[A-Za-z0-9]{36}", 0.99, _ends_in_crc32, 0.75),
    _issued("GITHUB_TOKEN", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _issued("GITLAB_TOKEN", "gl", r"gl(?:pat|ptt|dt|rt|cbt|oas|soat|ft|imt|agent)-[\w.-]{20,64}"),
    _issued("SLACK_TOKEN", "xox", r"xox[abeoprs]-(?:[A-Za-z0-9]{1,20}-){1,4}[A-Za-z0-9]{16,160}"),
    _issued("SLACK_TOKEN", "xapp-", r"xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[a-f0-9]{32,80}"),
    _issued(
        "SLACK_WEBHOOK",
        "hooks.slack.com",
        r"https://hooks\.slack\.com/services/T\w{6,14}/B\w{6,14}/\w{20,28}",
    ),
    _issued(
        "DISCORD_WEBHOOK",
        "/api/webhooks/",
        r"https://discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,80}",
    ),
    _issued("DISCORD_TOKEN", ".", r"[MNO][A-Za-z\d_-]{23,26}\.[\w-]{6}\.[\w-]{27,40}", 0.85),
    _issued("STRIPE_KEY", "k_live_", r"(?:sk|rk)_live_[A-Za-z0-9]{16,128}", 0.99),
    _issued("STRIPE_KEY", "k_test_", r"(?:sk|rk)_test_[A-Za-z0-9]{16,128}", 0.7),
    _issued("STRIPE_KEY", "whsec_", r"whsec_[A-Za-z0-9+/]{24,64}"),
    _issued(
        "OPENAI_KEY",
        "T3BlbkFJ",
        r"sk-(?:(?:proj|svcacct|admin|None)-)?[\w-]{16,100}T3BlbkFJ[\w-]{16,100}",
        0.99,
    ),
    _issued(
        "OPENAI_KEY",
        "sk-",
        r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]{31,160}",
        0.8,
    ),
    _issued("ANTHROPIC_KEY", "sk-ant-", r"sk-ant-[a-z]{3,10}\d\d-[\w-]{60,140}", 0.99),
    _issued("HUGGING_FACE_TOKEN", "hf_", r"hf_[A-Za-z]{34}"),
    _issued("TWILIO_KEY", "SK", r"SK[0-9a-f]{32}", 0.9),
    _issued("SENDGRID_KEY", "SG.", r"SG\.[\w-]{22}\.[\w-]{43}", 0.99),
    _issued("MAILGUN_KEY", "key-", r"key-[0-9a-f]{32}", 0.9),
    _issued("MAILCHIMP_KEY", "-us", r"[0-9a-f]{32}-us\d{1,2}", 0.9),
    _issued("NPM_TOKEN", "npm_", r"npm_[A-Za-z0-9]{36}", 0.99, _ends_in_crc32, 0.75),
    _issued("PYPI_TOKEN", "pypi-", r"pypi-AgE[\w-]{50,500}", 0.99),
    _issued("TELEGRAM_TOKEN", ":AA", r"\d{8,10}:AA[\w-]{33}"),
    _issued(
        "JWT", "eyJ", r"eyJ[\w-]{8,1000}\.eyJ[\w-]{4,2000}\.[\w-]{16,1000}", 0.93, _is_jwt, 0.3
    ),
    _issued("DIGITALOCEAN_TOKEN", "do", r"do[opr]_v1_[a-f0-9]{64}"),
    _issued("SHOPIFY_TOKEN", "shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _issued("DATABRICKS_TOKEN", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?"),
    _issued("LINEAR_KEY", "lin_api_", r"lin_api_[A-Za-z0-9]{40}"),
    _issued("NOTION_TOKEN", "ntn_", r"ntn_[A-Za-z0-9]{40,50}"),
    _issued("VAULT_TOKEN", "hv", r"hv[sbr]\.[\w-]{24,200}"),
    _issued("DOPPLER_TOKEN", "dp.", r"dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9]{40,44}"),
    _issued("POSTMAN_KEY", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _issued("GRAFANA_TOKEN", "gls", r"gls[ac]_[A-Za-z0-9]{32}_[a-f0-9]{8}"),
    _issued("SQUARE_TOKEN", "sq0", r"sq0[a-z]{3}-[\w-]{22,43}"),
    _issued("GROQ_KEY", "gsk_", r"gsk_[A-Za-z0-9]{48,56}"),
    _issued("XAI_KEY", "xai-", r"xai-[A-Za-z0-9]{70,90}"),
    _issued("REPLICATE_TOKEN", "r8_", r"r8_[A-Za-z0-9]{37}"),
    _issued("PERPLEXITY_KEY", "pplx-", r"pplx-[A-Za-z0-9]{40,56}"),
    _issued("AGE_KEY", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}", 0.99),
)
LABELS = frozenset(issued.label for issued in _ISSUED)


def issued_tokens(text: str) -> Iterator[Hit]:
    """Tokens of well-known issuers, their checksums verified where they carry one."""
    for issued in _ISSUED:
        if issued.needle not in text:
            continue
        for match in issued.pattern.finditer(text):
            probability = issued.probability
            if issued.check is not None and not issued.check(match[0]):
                probability = issued.unchecked
            if looks_made_up(match[0]):
                probability *= 0.2
            yield Hit(
                start=match.start(), end=match.end(), label=issued.label, probability=probability
            )
