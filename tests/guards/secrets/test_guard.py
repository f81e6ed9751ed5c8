"""What the secrets guard finds. Every key here is made up, and put together from pieces so that
no scanner takes this file for a leak."""

import asyncio
import base64
import random
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.conversation import Exchange, Subject, text_message
from guards.redaction import Cut, redact
from guards.secrets.guard import SecretsGuard, find, unfinished
from guards.verdict import Verdict

LIKELY = 0.5
_CHANCE = random.Random(11)
_HEX = "0123456789abcdef"
_LOWER = "abcdefghijkmnpqrstuvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def made(length: int, letters: str = _BASE62) -> str:
    return "".join(_CHANCE.choice(letters) for _ in range(length))


def with_crc(prefix: str, body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return f"{prefix}_{body}{digits}"


def jwt(header: bytes = b'{"alg":"HS256","typ":"JWT"}') -> str:
    parts = [base64.urlsafe_b64encode(p).decode().rstrip("=") for p in (header, b'{"sub":"91"}')]
    return ".".join([*parts, made(43)])


def pem(kind: str = "RSA ") -> str:
    lines = "\n".join(made(64) for _ in range(4))
    return f"-----BEGIN {kind}PRIVATE " + f"KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


TOKENS = {
    "AWS_ACCESS_KEY": "AKIA" + made(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "GOOGLE_API_KEY": "AIza" + made(35),
    "GITHUB_TOKEN": with_crc("ghp", made(30)),
    "NPM_TOKEN": with_crc("npm", made(30)),
    "GITLAB_TOKEN": "glpat-" + made(20),
    "SLACK_TOKEN": "-".join(["xoxb", made(12, "123456789"), made(12, "123456789"), made(24)]),
    "SLACK_WEBHOOK": "https://hooks.slack" + f".com/services/T{made(8)}/B{made(8)}/{made(24)}",
    "STRIPE_KEY": "sk_" + "live_" + made(24),
    "OPENAI_KEY": "sk-proj-" + made(20) + "T3Blbk" + "FJ" + made(20),
    "ANTHROPIC_KEY": "sk-ant-" + "api03-" + made(93),
    "HUGGING_FACE_TOKEN": "hf_" + made(34, _LOWER),
    "TWILIO_KEY": "SK" + made(32, _HEX),
    "SENDGRID_KEY": f"SG.{made(22)}.{made(43)}",
    "PYPI_TOKEN": "pypi-" + "AgEIcHlwaS5vcmc" + made(80),
    "TELEGRAM_TOKEN": made(9, "123456789") + ":AA" + made(33),
    "DIGITALOCEAN_TOKEN": "dop_v1_" + made(64, _HEX),
    "JWT": jwt(),
    "PRIVATE_KEY": pem(),
    "AZURE_KEY": "AccountKey=" + made(86) + "==",
}


def found(text: str, least: float = LIKELY) -> list[tuple[str, str]]:
    return [(h.label, text[h.start : h.end]) for h in find(text) if h.probability >= least]


@pytest.mark.parametrize("label", TOKENS)
@pytest.mark.parametrize("around", ["{}", "use {}, please", 'key="{}"', "密钥是{}。", "({})"])
def test_issued_tokens_are_found_wherever_they_stand(label: str, around: str) -> None:
    assert (label, TOKENS[label]) in found(around.format(TOKENS[label]))


def test_a_token_with_a_wrong_checksum_is_less_likely_one() -> None:
    right = TOKENS["GITHUB_TOKEN"]
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    assert find(wrong)[0].probability < find(right)[0].probability


def test_three_words_in_base_64_are_no_jwt_without_its_header() -> None:
    assert found(jwt(header=b'{"kind":"other"}')) == []


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("password: hunter2!x", "PASSWORD", "hunter2!x"),
        ('"password": "correct1horse"', "PASSWORD", "correct1horse"),
        ("my password is Tr0ub4dor&3.", "PASSWORD", "Tr0ub4dor&3"),
        ("密码是Ab12345x", "PASSWORD", "Ab12345x"),
        ("Passwort: Sommer2024", "PASSWORD", "Sommer2024"),
        ("postgres://ann:s3cr3tpw@db.internal:5432/x", "URL_CREDENTIALS", "ann:s3cr3tpw"),
        ("redis://:p4ssw0rd9@cache:6379/0", "URL_CREDENTIALS", ":p4ssw0rd9"),
        ("api_key = '9f8Kd03mQz71LpXw'", "API_KEY", "9f8Kd03mQz71LpXw"),
        ("secret: 93f0c80150239e02c52011c858b20ce6", "API_KEY", "93f0c80150239e02c52011c858b20ce6"),
    ],
)
def test_what_is_called_a_secret_is_found(text: str, label: str, value: str) -> None:
    assert found(text) == [(label, value)]


def test_a_seed_phrase_is_found() -> None:
    words = "legal winner thank year wave sausage worth useful legal winner thank yellow"
    assert found(f"my seed phrase is: {words}.") == [("SEED_PHRASE", words)]


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset my password? The password is required and must be strong.",
        "password policies: Encourage everyone to change it",
        "api_key = 'YOUR_API_KEY' and token: <your-token>",
        "password = os.environ['DB_PASSWORD']; token = get_token(user)",
        "user.password = md5_pw",
        "if password == expected_password:",
        "AKIAIOSFODNN7" + "EXAMPLE is from the manual",
        "postgres://user:password@localhost/db and https://example.com/@someone",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "password: ********",
        "secret: ${SECRET} token={{ token }}",
        "-----BEGIN CERTIFICATE-----\nMIID" + "A" * 60 + "\n-----END CERTIFICATE-----",
        "-----BEGIN PRIVATE " + "KEY-----\n...\n-----END PRIVATE KEY-----",
        "commit 3f8bba2e1c5d4b6a798877665544332211aabbcc",
        "The secret of success is hard work; the token ring was a network.",
    ],
)
def test_placeholders_and_talk_of_secrets_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_private_key_that_breaks_off_is_found() -> None:
    broken = pem().partition("\n-----END")[0]
    assert found(f"here: {broken}") == [("PRIVATE_KEY", broken)]


def judged(text: str, subject: Subject) -> tuple[list[Cut], int]:
    exchange = Exchange(subject=subject, message=text_message(text, id="m"))
    verdict = asyncio.run(SecretsGuard().judge(exchange))
    assert isinstance(verdict, Verdict)
    cuts = [
        Cut(span=finding.span, replacement=f"[{finding.label}]")
        for finding in verdict.findings
        if finding.probability >= LIKELY and finding.span is not None
    ]
    return cuts, len(text) if verdict.hold is None else verdict.hold


FRAGMENTS = st.sampled_from(
    [
        *TOKENS.values(),
        "my password is Tr0ub4dor&3 now",
        "the password is required",
        "postgres://ann:s3cr3tpw@db.internal/x",
        "it is fine.",
        "我的密码是Ab12345x，",
        "seed phrase: legal winner thank year wave sausage worth useful legal winner thank yellow.",
        "-----BEGIN CERTIFICATE-----\nMIIDAAAA\n-----END CERTIFICATE-----",
    ]
)


@given(st.lists(FRAGMENTS, min_size=1, max_size=3).map(" ".join), st.data())
def test_i3_what_a_growing_text_shows_is_what_the_whole_shows(
    text: str, data: st.DataObject
) -> None:
    part = text[: data.draw(st.integers(0, len(text)))]
    early, hold = judged(part, Subject.REPLY_SO_FAR)
    whole, _ = judged(text, Subject.REPLY)
    shown = [cut for cut in early if cut.span.end <= hold]
    assert [cut for cut in whole if cut.span.start < hold] == shown
    assert redact(text, whole).startswith(redact(part[:hold], shown))


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert all(0 <= h.start < h.end <= len(text) for h in find(text))
    assert 0 <= unfinished(text) <= len(text)


@pytest.mark.parametrize(
    "unit", ["a", "eyJ", "password: ", "a://a:", "-----BEGIN ", "sk-1", "seed phrase: abc "]
)
def test_time_grows_with_the_length_and_not_with_its_square(unit: str) -> None:
    def cost(length: int) -> float:
        text = unit * (length // len(unit))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            find(text)
            unfinished(text)
            best = min(best, time.process_time() - start)
        return best

    assert cost(64_000) < 48 * cost(8_000) + 0.05
