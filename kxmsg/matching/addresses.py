"""Addresses: IPv4 and IPv6, packed, without a look-up of names."""

from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_pton


def parse_range(text: str) -> tuple[bytes, bytes]:
    """First and last address of ``10.0.0.0/24`` or ``2001:db8::/32``; raises ValueError with what would be right."""
    address, slash, mask = text.partition("/")
    packed = pack(address, AF_INET6 if ":" in address else AF_INET)
    if packed is None or not slash:
        raise ValueError("must be an address, a slash and the length of the mask, as '10.0.0.0/24'")
    longest = len(packed) * 8 - 1
    if not (mask.isascii() and mask.isdigit() and len(mask) <= 3 and int(mask) <= longest):
        raise ValueError(f"must have a mask of 0 to {longest}; for one address give the address itself")
    network = ip_network((packed, int(mask)), strict=False)
    return network[0].packed, network[-1].packed


def pack(text: str, family: int) -> bytes | None:
    """The address as bytes; None where the text is no address of that family."""
    try:
        return inet_pton(family, text)
    except (OSError, ValueError):
        return None


def within(text: str, first: bytes, last: bytes) -> bool:
    """Whether the text is an address of the range."""
    packed = pack(text, AF_INET if len(first) == 4 else AF_INET6)
    return packed is not None and first <= packed <= last
