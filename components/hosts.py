"""Which addresses only this machine reaches."""

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
