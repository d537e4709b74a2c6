"""Where a webhook may go: every kind of address that is not public, names that lie, and what an operator allows."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpcore
import pytest

from channels.webhook.guard import Forbidden, GuardedNetwork, Target, check_url, is_public, resolve

DENIED = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "this network": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"],
    "link-local, where clouds keep their metadata": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "169.254.170.2"],
    "carriers', and Alibaba's metadata": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved and broadcast": ["240.0.0.1", "255.255.255.255"],
    "documentation and benchmarks": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1"],
    "protocol assignments and relays": ["192.0.0.8", "192.0.0.170", "192.88.99.1"],
    "IPv4 in IPv6, mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:192.0.0.8"],
    "IPv4 in IPv6, compatible": ["::127.0.0.1", "::10.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "64:ff9b::808:808"],
    "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"],
    "Teredo": ["2001:0:7f00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "site-local and unassigned": ["fec0::1", "4000::1", "5f00::1", "100::1"],
    "no address at all": ["", "localhost", "127.1", "2130706433", "0x7f000001"],
}


@pytest.mark.parametrize("address", [one for group in DENIED.values() for one in group])
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111", "2400:3200::1"])
def test_an_address_of_the_public_internet_is_let_through(address: str) -> None:
    assert is_public(address)


# --- the text of a URL


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/",
        "https://crm.example:22/",
        "https://crm.example:0/",
        "https://crm.example:99999/",
        "https://user@crm.example/",
        "https://user:secret@crm.example/",
        "https://crm.example\\@127.0.0.1/",
        "https:///hooks",
        "https://",
        "ftp://crm.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "https://crm.example/a b",
        "https://crm.example/\r\nHost: evil",
        "https://crm.example/钩子",
        "https://[::1",
        "https://" + "a" * 2_000 + "/",
        "",
    ],
)
def test_a_url_that_is_not_plainly_https_is_refused(url: str) -> None:
    with pytest.raises(Forbidden):
        check_url(url, ["127.0.0.1:*"])


@pytest.mark.parametrize("port", ["", ":443", ":8443", ":80"])
def test_a_https_url_on_a_usual_port_is_called(port: str) -> None:
    assert not check_url(f"https://crm.example{port}/hooks?a=1", ()).is_trusted


def test_what_an_operator_allows_may_be_plain_http_on_any_port() -> None:
    url = "http://127.0.0.1:9000/hooks"
    assert check_url(url, ["127.0.0.1:*"]) == Target(url, "127.0.0.1", 9000, is_trusted=True)
    assert check_url("http://CRM.internal/x", ["crm.internal:80"]).is_trusted
    assert check_url("http://[::1]:9000/x", ["[::1]:9000"]).is_trusted
    for entry in ("127.0.0.1:9001", "localhost:*", "127.0.0.2:*", "1:*"):
        with pytest.raises(Forbidden):
            check_url(url, [entry])


# --- names


class Names:
    """A resolver that answers from a script: each look-up takes the next answer, the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1", "93.184.215.14"], ["fe80::1%eth0"]]
)
async def test_one_address_that_is_not_public_refuses_the_whole_name(addresses: list[str]) -> None:
    with pytest.raises(Forbidden):
        await GuardedNetwork((), Names(addresses)).connect_tcp("crm.example", 443, 1.0)


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f.1", "127.0.0.1", "::1"])
async def test_the_systems_own_names_and_odd_spellings_of_this_machine_are_refused(name: str) -> None:
    with pytest.raises((Forbidden, httpcore.ConnectError)):
        await GuardedNetwork((), resolve).connect_tcp(name, 443, 1.0)


class Wires(httpcore.AsyncNetworkBackend):
    """A network on which nobody answers; it notes the addresses that were called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    async def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.called.append(host)
        raise httpcore.ConnectError("nobody answers")


async def test_a_name_that_changes_its_mind_is_connected_where_it_was_judged() -> None:
    # The second answer is what an attacker's name server gives a moment after the first was judged.
    names, wires = Names(["93.184.215.14", "8.8.8.8"], ["127.0.0.1"]), Wires()
    network = GuardedNetwork((), names, wires)
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("rebind.example", 443, 1.0)
    assert (len(names.asked), wires.called) == (1, ["93.184.215.14", "8.8.8.8"])
    with pytest.raises(Forbidden):
        await network.connect_tcp("rebind.example", 443, 1.0)
    assert (len(names.asked), len(wires.called)) == (2, 2)


async def test_an_allowed_name_is_connected_to_at_the_address_that_was_looked_up() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    names = Names(["127.0.0.1"])
    stream = await GuardedNetwork((f"crm.internal:{port}",), names).connect_tcp("crm.internal", port, 1.0)
    assert stream.get_extra_info("server_addr")[:2] == ("127.0.0.1", port)
    assert names.asked == [("crm.internal", port)]
    await stream.aclose()
    server.close()


async def test_a_name_that_is_not_found_or_not_found_in_time_was_never_connected_to() -> None:
    async def lost(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    async def slow(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(httpcore.ConnectError):
        await GuardedNetwork((), lost).connect_tcp("gone.example", 443, 1.0)
    with pytest.raises(httpcore.ConnectTimeout):
        await GuardedNetwork((), slow).connect_tcp("slow.example", 443, 0.01)
    with pytest.raises(httpcore.ConnectError):
        await GuardedNetwork((), Names([])).connect_tcp("empty.example", 443, 1.0)
