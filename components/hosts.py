"""Which addresses only this machine reaches, and how it reaches a server of its own."""

import ipaddress
import ssl
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


@cache
def is_local(host: str) -> bool:
    """Whether only this machine reaches an address: loopback, or a socket in a file."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost" or host.startswith("/")
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def find_url(host: str, port: int) -> str:
    """Return where this machine reaches a server that listens on a host, on all of them too."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:  # an address to listen on, and none to ask
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def ask(url: str, *, timeout: float, auth: tuple[str, str] | None = None) -> "httpx.Response":
    """Return what a server of this machine answers a GET; past any proxy.

    It knows no authority's certificates, which httpx reads anew at every call otherwise: whoever
    waits for a server would take a third of a core from it. `timeout` in seconds. Raises
    httpx.HTTPError if nothing answers.
    """
    import httpx

    return httpx.get(url, timeout=timeout, auth=auth, trust_env=False, verify=_no_authorities())


@cache
def _no_authorities() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
