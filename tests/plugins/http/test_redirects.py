"""Where a redirect may lead, and what goes along."""

import httpx
import pytest

from plugins.errors import AccessDeniedError
from plugins.http import HttpLimits
from tests.plugins.http.world import Server, answer, client, redirect


async def test_a_redirect_is_followed_to_a_public_host(server: Server) -> None:
    server.pages |= {"/": redirect("https://other.org/there"), "/there": answer(b"hello")}
    async with client(server) as http:
        response = await http.get("http://example.com/")
    assert response.text == "hello"
    assert str(response.url) == "https://other.org/there"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.com/", "scheme"),
        ("http://127.0.0.1/", "private network"),
        ("http://10.0.0.1/?q=private-word", "private network"),
        ("http://[::ffff:7f00:1]/", "private network"),
        ("http://2130706433/", "usual form"),
        ("http://localhost/", "private network"),
        ("http://example.com:6379/", "port"),
        ("http://anna:hunter2@example.com/", "user name"),
        ("//169.254.169.254/latest/meta-data", "private network"),
        ("http://example.com\\@127.0.0.1/", "user name"),
    ],
)
async def test_a_redirect_to_what_may_not_be_reached_is_refused(
    server: Server, to: str, said: str
) -> None:
    server.pages["/"] = redirect(to)
    async with client(server) as http:
        with pytest.raises(AccessDeniedError, match=said) as caught:
            await http.get("http://example.com/")
    assert "private-word" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert server.paths == ["/"]


@pytest.mark.parametrize("to", ["http://①②⑦.⓪.⓪.①/", "http://[::1", "http://0177.0.0.1/"])
async def test_a_redirect_to_what_is_no_address_is_an_error(server: Server, to: str) -> None:
    server.pages["/"] = redirect(to).replace(to.encode("ascii", "replace"), to.encode())
    async with client(server) as http:
        with pytest.raises((httpx.RemoteProtocolError, AccessDeniedError)):
            await http.get("http://example.com/")
    assert server.paths == ["/"]


async def test_a_site_cannot_send_the_client_to_a_private_host_that_is_allowed(
    server: Server,
) -> None:
    server.pages["/"] = redirect(server.url("/inside"))
    async with client(server) as http:
        with pytest.raises(AccessDeniedError, match="redirects to a private network"):
            await http.get("http://example.com/")
    assert server.paths == ["/"]


async def test_a_private_host_may_redirect_within_itself(server: Server) -> None:
    server.pages |= {"/": redirect("/there"), "/there": answer(b"hello")}
    async with client(server) as http:
        assert (await http.get(server.url("/"))).text == "hello"


async def test_a_redirect_from_https_to_http_is_refused(server: Server) -> None:
    server.pages["/"] = redirect("http://example.com/there")
    async with client(server) as http:
        with pytest.raises(AccessDeniedError, match="from https to http"):
            await http.get("https://example.com/")
    assert server.paths == ["/"]


async def test_every_step_of_many_is_checked(server: Server) -> None:
    server.pages |= {
        "/": redirect("http://other.org/private"),
        "/private": redirect(server.url("/inside")),
        "/down": redirect("https://other.org/there"),
        "/there": redirect("http://other.org/"),
    }
    async with client(server) as http:
        with pytest.raises(AccessDeniedError, match="private network"):
            await http.get("http://example.com/")
        with pytest.raises(AccessDeniedError, match="https to http"):
            await http.get("http://example.com/down")
    assert server.paths == ["/", "/private", "/down", "/there"]


async def test_a_redirect_is_held_to_the_named_hosts(server: Server) -> None:
    server.pages["/"] = redirect("https://other.org/")
    async with client(server, hosts=("example.com",)) as http:
        with pytest.raises(AccessDeniedError, match=r"other\.org:443 is not among the hosts"):
            await http.get("https://example.com/")


async def test_redirects_end(server: Server) -> None:
    server.pages["/"] = redirect("/")
    async with client(server) as http:
        with pytest.raises(httpx.TooManyRedirects):
            await http.get("http://example.com/")
    assert len(server.heads) == HttpLimits().redirects + 1


async def test_what_proves_who_asks_stays_with_the_host_it_is_for(server: Server) -> None:
    server.pages |= {
        "/": redirect("http://other.org/there"),
        "/there": redirect("http://example.com/back"),
        "/back": answer(b"hello"),
    }
    secret = {"Authorization": "Bearer hunter2", "X-Api-Key": "hunter2", "Cookie": "a=hunter2"}
    async with client(server) as http:
        await http.get("http://example.com/", headers={**secret, "Accept-Language": "sl"})
    assert server.paths == ["/", "/there", "/back"]
    assert server.heads[0].count(b"hunter2") == 3
    for head in server.heads[1:]:
        assert b"hunter2" not in head
        assert b"accept-language: sl" in head.lower()


@pytest.mark.parametrize("status", [307, 308])
async def test_a_body_is_not_sent_on_to_another_host(server: Server, status: int) -> None:
    server.pages["/"] = redirect("http://other.org/there", status)
    async with client(server) as http:
        with pytest.raises(AccessDeniedError, match="redirects a POST to another host"):
            await http.post("http://example.com/", json={"word": "private"})
        with pytest.raises(AccessDeniedError, match="to another host"):
            await http.request("GET", "http://example.com/", content=b"private")
    assert server.paths == ["/", "/"]


async def test_redirects_taken_by_hand_are_held_to_the_same(server: Server) -> None:
    server.pages["/"] = redirect("http://example.com/there")
    async with client(server) as http:
        response = await http.get("https://example.com/", follow_redirects=False)
        assert response.next_request is not None
        with pytest.raises(AccessDeniedError, match="from https to http"):
            await http.send(response.next_request)
