"""Addresses: what the text of a host or of a peer says. Pure."""

import ipaddress
from functools import lru_cache

REMEMBERED = 256
"""Texts whose meaning is kept at hand: strangers may send as many as they like, of 8 KB each."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(REMEMBERED)
def address_of(text: str) -> Address | None:
    """An address, IPv4 also where it came wrapped in IPv6, without port and zone; None where it is none."""
    text = text.split("%", 1)[0]
    if text.startswith("["):
        text = text[1:].split("]", 1)[0]
    elif text.count(":") == 1:
        text = text.split(":", 1)[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def in_url(host: str) -> str:
    """The host as it stands in a URL: IPv6 in brackets, for its colons."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself, and nobody else reaches it there."""
    address = address_of(host)
    return address.is_loopback if address else host.lower() == "localhost"


def is_anywhere(host: str | None) -> bool:
    """Whether this is 0.0.0.0 or ::, in whatever way it is written."""
    address = address_of(host or "")
    return address is not None and address.is_unspecified


def is_unmarked(host: str) -> bool:
    """Whether a browser reaches loopback by this address of a URL, and does not know that it is loopback.

    0.0.0.0 and ::, and IPv4 wrapped in IPv6. What other sites' pages send there bears no Sec-Fetch-Site.
    """
    if is_anywhere(host):
        return True
    try:
        return ":" in host and ipaddress.IPv6Address(host).ipv4_mapped is not None
    except ValueError:
        return False


def is_each_its_own(host: str) -> bool:
    """Whether this host is on each machine that machine itself. A1111 with --listen says 0.0.0.0."""
    return is_loopback(host) or is_anywhere(host)
