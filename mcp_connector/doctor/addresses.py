"""Which network an address belongs to. Only public addresses, or those beside the target, are called unasked."""

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOPBACK, PRIVATE, GLOBAL, OTHER = "loopback", "private", "global", "other"

# Global by their number, and yet a way to another address (RFC 3056, 4380, 6052, 8215).
TRANSLATED = [ipaddress.ip_network(net) for net in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")]
SHARED = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598: behind a provider's NAT
PRIVATES = [ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def kind(address: str) -> str:
    """`loopback`, `private`, `global`, or `other`: link-local, multicast, shared, reserved or translated."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6 and ip.ipv4_mapped:
        return OTHER
    if ip.is_loopback:
        return LOOPBACK
    if any(ip in network for network in PRIVATES if network.version == ip.version):
        return PRIVATE
    if ip.version == 6 and any(ip in network for network in TRANSLATED):
        return OTHER
    return GLOBAL if ip.is_global and not ip.is_multicast and ip not in SHARED else OTHER


def together(addresses: list[str]) -> str:
    """The kind that all of them have; `other` where they differ."""
    kinds = {kind(address) for address in addresses}
    return kinds.pop() if len(kinds) == 1 else OTHER


def beside(address: str, target: str) -> bool:
    """Whether an address is on the network of the target: this machine, or the same /16 (IPv6: /48)."""
    first, second = ipaddress.ip_address(address.partition("%")[0]), ipaddress.ip_address(target.partition("%")[0])
    if kind(address) != kind(target) or first.version != second.version:
        return kind(address) == kind(target) == LOOPBACK
    if kind(address) == PRIVATE:
        around = ipaddress.ip_network(f"{second}/{16 if second.version == 4 else 48}", strict=False)
        return first in around
    return kind(address) == LOOPBACK


def odd(host: str) -> bool:
    """Whether a host is a number written so that only some programs read it as an address, such as 0x7f.1."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]))
    return False
