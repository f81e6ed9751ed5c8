"""Where connections really go."""

import asyncio
import ssl
from ipaddress import ip_address

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.errors import AccessDeniedError
from plugins.http import HttpLimits, SystemResolver, open_client
from plugins.http.addresses import is_public
from tests.plugins.http.world import OTHER_PUBLIC, PUBLIC, PUBLIC_6, Names, Wire, answer, serving

HTTPS = "https://example.com/"


def names(*answers: list[str]) -> Names:
    return Names({"example.com": answers})


async def test_a_name_is_looked_up_once_and_its_address_is_dialled() -> None:
    resolver = names([PUBLIC])
    async with serving() as server:
        server.pages["/"] = answer(b"hello")
        wire = Wire(server.port)
        async with open_client(hosts=("*",), resolver=resolver, network=wire) as http:
            assert (await http.get(HTTPS)).text == "hello"
    assert wire.dialled == [PUBLIC]
    assert resolver.asked == ["example.com"]


async def test_the_server_and_its_certificate_are_asked_for_by_name() -> None:
    async with serving() as server:
        server.pages["/"] = answer(b"hello")
        wire = Wire(server.port)
        async with open_client(hosts=("*",), resolver=names([PUBLIC]), network=wire) as http:
            await http.get(HTTPS)
    [(name, context)] = wire.shaken
    assert name == "example.com"
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert b"\r\nhost: example.com\r\n" in server.heads[0].lower()


async def test_a_plugin_cannot_have_another_name_checked() -> None:
    async with serving() as server:
        server.pages["/"] = answer(b"hello")
        wire = Wire(server.port)
        async with open_client(hosts=("*",), resolver=names([PUBLIC]), network=wire) as http:
            await http.get(HTTPS, extensions={"sni_hostname": "evil.org", "target": b"/other"})
            with pytest.raises(AccessDeniedError, match="another name"):
                await http.get(HTTPS, headers={"Host": "intern.example.com"})
    assert [name for name, _ in wire.shaken] == ["example.com"]
    assert server.paths == ["/"]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.1.2.3"],
        ["::1"],
        ["fd00:ec2::254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::1"],
        ["fe80::1%lo"],
        [PUBLIC, "127.0.0.1"],
        [PUBLIC_6, PUBLIC, "192.168.0.1"],
        ["0.0.0.0"],  # noqa: S104 - nothing binds to it
    ],
)
async def test_a_name_with_any_private_address_is_refused(addresses: list[str]) -> None:
    wire = Wire()
    async with open_client(hosts=("*",), resolver=names(addresses), network=wire) as http:
        with pytest.raises(AccessDeniedError, match=r"example\.com has an address on a private"):
            await http.get(HTTPS + "?q=private-word")
    assert wire.dialled == []


async def test_a_named_host_is_refused_on_a_private_network_too() -> None:
    wire = Wire()
    async with open_client(
        hosts=("example.com",), resolver=names(["10.0.0.1"]), network=wire
    ) as http:
        with pytest.raises(AccessDeniedError, match="private network"):
            await http.get(HTTPS)
    assert wire.dialled == []


async def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """Rebinding: the first look-up is public, every later one is not."""
    resolver = names([PUBLIC], ["127.0.0.1"])
    async with serving() as server:
        server.pages["/"] = answer(b"hello")
        wire = Wire(server.port)
        async with open_client(hosts=("*",), resolver=resolver, network=wire) as http:
            assert (await http.get(HTTPS)).text == "hello"
            with pytest.raises(AccessDeniedError, match="private network"):
                await http.get(HTTPS)
    assert wire.dialled == [PUBLIC]


async def test_a_redirect_to_the_same_name_is_checked_anew() -> None:
    resolver = names([PUBLIC], ["127.0.0.1"])
    async with serving() as server:
        server.pages["/"] = answer(b"", "Location: /inside", status=302)
        wire = Wire(server.port)
        async with open_client(hosts=("*",), resolver=resolver, network=wire) as http:
            with pytest.raises(AccessDeniedError, match="private network"):
                await http.get(HTTPS)
    assert wire.dialled == [PUBLIC]
    assert server.paths == ["/"]


async def test_the_next_address_is_tried_when_one_refuses_or_is_silent() -> None:
    async with serving() as server:
        server.pages["/"] = answer(b"hello")
        wire = Wire(server.port, dead=[PUBLIC_6], silent=[PUBLIC])
        resolver = names([PUBLIC_6, PUBLIC, OTHER_PUBLIC])
        async with open_client(hosts=("*",), resolver=resolver, network=wire) as http:
            assert (await http.get(HTTPS)).text == "hello"
    assert wire.dialled == [PUBLIC_6, PUBLIC, OTHER_PUBLIC]


async def test_no_address_that_answers_is_a_failure_to_connect() -> None:
    wire = Wire(dead=[PUBLIC, PUBLIC_6])
    async with open_client(hosts=("*",), resolver=names([PUBLIC, PUBLIC_6]), network=wire) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(HTTPS)


@pytest.mark.parametrize("addresses", [[], ["no address"]])
async def test_an_answer_without_addresses_is_a_failure_to_connect(addresses: list[str]) -> None:
    wire = Wire()
    async with open_client(hosts=("*",), resolver=names(addresses), network=wire) as http:
        with pytest.raises(httpx.ConnectError, match="resolved"):
            await http.get(HTTPS)
        with pytest.raises(httpx.ConnectError, match="resolved"):
            await http.get("https://unknown.example.com/")
    assert wire.dialled == []


async def test_silence_ends_at_the_deadline_for_connecting() -> None:
    wire = Wire(silent=[PUBLIC])
    async with open_client(
        hosts=("*",),
        resolver=names([PUBLIC]),
        network=wire,
        limits=HttpLimits(connect_seconds=0.2),
    ) as http:
        with pytest.raises(httpx.ConnectTimeout):
            await http.get(HTTPS)


async def test_a_resolver_that_never_answers_ends_at_the_deadline_for_connecting() -> None:
    class Never:
        async def resolve(self, host: str) -> list[str]:
            await asyncio.Event().wait()
            return []

    async with open_client(
        hosts=("*",), resolver=Never(), network=Wire(), limits=HttpLimits(connect_seconds=0.2)
    ) as http:
        with pytest.raises(httpx.ConnectTimeout):
            await http.get(HTTPS)


async def test_a_private_host_may_be_anywhere() -> None:
    async with serving() as server:
        server.pages["/"] = answer(b"hello")
        wire = Wire(server.port)
        async with open_client(
            hosts=(),
            private_hosts=("searxng:8080",),
            resolver=Names({"searxng": [["10.0.0.7"]]}),
            network=wire,
        ) as http:
            assert (await http.get("http://searxng:8080/")).text == "hello"
            with pytest.raises(AccessDeniedError):
                await http.get("http://searxng:8081/")
    assert wire.dialled == ["10.0.0.7"]


async def test_the_system_knows_this_machine_and_no_other_by_an_impossible_name() -> None:
    resolver = SystemResolver()
    try:
        found = await resolver.resolve("localhost")
        assert {ip_address(each).is_loopback for each in found} == {True}
        with pytest.raises(OSError, match=r".+"):
            await resolver.resolve("no.such.name.invalid")
    finally:
        resolver.close()


async def test_this_machine_is_refused_by_its_name_from_the_real_resolver() -> None:
    wire = Wire()
    async with open_client(hosts=("localhost",), network=wire) as http:
        with pytest.raises(AccessDeniedError, match="private network"):
            await http.get("http://localhost/")
    assert wire.dialled == []


class _Refusing(Wire):
    async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        self.dialled.append(host)
        raise httpcore.ConnectError("refused")


def _spellings(number: int) -> list[str]:
    a, b, c, d = number.to_bytes(4, "big")
    return [
        f"{a}.{b}.{c}.{d}",
        f"{number}",
        f"{number:#x}",
        f"0{number:o}",
        f"{a}.{(b << 16) | (c << 8) | d}",
        f"{a}.{b}.{(c << 8) | d}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"0x{a:02x}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d}.",
        f"%{ord(str(a)[0]):x}{str(a)[1:]}.{b}.{c}.{d}",
        f"[::ffff:{a}.{b}.{c}.{d}]",
        f"[::{a}.{b}.{c}.{d}]",
        f"[64:ff9b::{a}.{b}.{c}.{d}]",
        f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]",
        f"[2001:0:1::{(number ^ 0xFFFFFFFF) >> 16:x}:{(number ^ 0xFFFFFFFF) & 0xFFFF:x}]",
    ]


_PRIVATE_STARTS = (0x00000000, 0x0A000000, 0x7F000000, 0xA9FE0000, 0xAC100000, 0xC0A80000)
_NUMBERS = st.one_of(
    st.integers(0, 2**32 - 1),
    st.builds(int.__add__, st.sampled_from(_PRIVATE_STARTS), st.integers(0, 0xFFFF)),
)


@given(
    st.lists(_NUMBERS.flatmap(lambda number: st.sampled_from(_spellings(number))), max_size=8),
    st.lists(st.ip_addresses().map(str), max_size=3),
)
def test_no_spelling_and_no_answer_leads_to_an_address_that_is_not_public(
    hosts: list[str], answers: list[str]
) -> None:
    wire = _Refusing()

    async def reach_for_all() -> None:
        async with open_client(
            hosts=("*",),
            resolver=names(answers),
            network=wire,
            tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        ) as http:
            for host in [*hosts, "example.com"]:
                with pytest.raises((AccessDeniedError, httpx.InvalidURL, httpx.ConnectError)):
                    await http.get(f"http://{host}/")

    asyncio.run(reach_for_all())
    assert all(is_public(ip_address(each)) for each in wire.dialled)
