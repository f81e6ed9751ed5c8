"""Which addresses belong to the public internet.

The standard library's ``is_global`` has changed between patch releases and says yes to addresses
that carry a private one inside, so the list stands here, after the registries of special-purpose
addresses (RFC 6890 and its updates), and both have to agree.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches the machine itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; one cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # one cloud's host agent, on a public number
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",  # reserved, broadcast
    )
)

_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether ``address`` is one of the public internet. What is in doubt is not.

    Addresses that carry an IPv4 address (mapped, compatible, 6to4, Teredo) are not, except those
    of the well-known NAT64 prefix, by which a network without IPv4 reaches it: they are what the
    address inside is.
    """
    match address:
        case IPv4Address():
            return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)
        case IPv6Address():
            if address.scope_id is not None:
                return False
            if address in _NAT64:
                return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
            return (
                address in _UNICAST_6
                and address.is_global
                and not any(address in network for network in _NOT_PUBLIC_6)
            )
