"""Which addresses a webhook may go to. Against server-side request forgery: a journey, or a customer's data in a URL,
must not reach what only this machine or its network can.

`check_url` judges the text, `is_public` an address; `GuardedNetwork` resolves, judges every address of a name and
connects to one it judged, so that a name cannot mean something else a moment later (DNS rebinding).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

import httpcore
import msgspec

PORTS: Final = frozenset({80, 443, 8443})
"""Ports that every public address may be called on."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Name and port -> addresses; raises `OSError`."""

SocketOption: TypeAlias = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

_UNICAST: Final = IPv6Network("2000::/3")
"""The only IPv6 addresses in public use. Outside it are NAT64 (64:ff9b::/96), IPv4-compatible and local ones."""

# Inside it, an IPv4 address may hide in a tunnel's: 6to4 and Teredo. `is_global` takes some of these for public.
_TUNNELS: Final = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
_RELAYS: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))


class Forbidden(Exception):
    """The address may not be called; nothing was connected to."""


class Target(msgspec.Struct, frozen=True):
    """A URL that passed: `is_trusted` when the operator's allow-list names its host and port."""

    url: str
    host: str
    port: int
    is_trusted: bool


def check_url(url: str, allow: Iterable[str]) -> Target:
    """Return where the URL leads, as far as its text tells; raises `Forbidden` with what is wrong.

    >>> check_url("https://crm.example/hooks", ()).port
    443
    >>> check_url("http://127.0.0.1:9000/x", ["127.0.0.1:*"]).is_trusted
    True
    """
    if len(url) > 2_000 or not url.isascii() or any(c <= " " or c in '\\\x7f"<>^`{|}' for c in url):
        raise Forbidden("the URL is too long or has characters that no URL has")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), _port(parts)
    except ValueError:
        raise Forbidden("this is no URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise Forbidden("only https addresses are called")
    if "@" in parts.netloc:
        raise Forbidden("a user or password may not stand in the URL")
    is_trusted = any(_names(entry, host, port) for entry in allow)
    if not is_trusted and parts.scheme != "https":
        raise Forbidden("only https addresses are called; an operator may name others in `webhook.allow`")
    if not is_trusted and port not in PORTS:
        raise Forbidden(f"port {port} is not called; an operator may name it in `webhook.allow`")
    return Target(url, host, port, is_trusted)


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public internet, whatever IPv4 address may hide in it.

    >>> [is_public(one) for one in ("93.184.215.14", "127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "no address")]
    [True, False, False, False, False]
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found not in _UNICAST or any(found in network for network in _TUNNELS):
            return False
    elif any(found in network for network in _RELAYS):
        return False
    return _is_global(found)


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    refused = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not refused and not (address.is_private or address.is_link_local)


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80


def _names(entry: str, host: str, port: int) -> bool:
    named, _, ports = entry.rpartition(":")
    return named.strip("[]").lower() == host and ports in {"*", str(port)}


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, as a connection would; raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, and to the hosts and ports that `allow` names. TLS still asks for the name.

    `network` makes the connections, to addresses only.
    """

    def __init__(
        self, allow: Iterable[str], lookup: Resolve = resolve, network: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._allow, self._lookup = tuple(allow), lookup
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the name that answers; raises `Forbidden` if any of them is not public."""
        addresses = await self._addresses(host, port, timeout)
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as problem:
                failed = problem
        raise failed

    async def sleep(self, seconds: float) -> None:
        """Wait, for httpcore's own retries; there are none."""
        await self._network.sleep(seconds)

    async def _addresses(self, host: str, port: int, limit: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(limit):
                found = list(dict.fromkeys(await self._lookup(host, port)))
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} was not found in time") from None
        except OSError as problem:
            raise httpcore.ConnectError(f"{host} was not found: {problem}") from None
        except UnicodeError:
            raise Forbidden(f"{host[:80]} is no host name") from None
        if not any(_names(entry, host.lower(), port) for entry in self._allow):
            hidden = [address for address in found if not is_public(address)]
            if hidden:
                raise Forbidden(f"{host} leads to {hidden[0]}, which is no public address")
        return found
