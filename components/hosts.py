"""Which addresses only this machine reaches, and how it reaches a server of its own."""

import ipaddress
from functools import cache


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
