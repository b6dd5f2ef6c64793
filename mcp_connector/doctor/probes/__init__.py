"""What is looked for in the evidence, from the network inwards.

A probe is a function that yields what it saw. Its words, level and rules are in `probes.toml` under the name that it
yields. The first probe that stops everybody also ends the list: what follows from it is not reported again.
"""

from collections.abc import Iterator

from ..evidence import Evidence
from ..findings import Probe, Seen
from . import browsers, clients, edge, metadata, network, providers, tokens, tools, transport, versions

FIRST: list[Probe] = [network.url]
ENDING: list[Probe] = [network.reached, edge.stopped, transport.stopped]
OTHERS: list[Probe] = [
    network.start,
    edge.agents,
    edge.spelling,
    edge.limits,
    transport.initialized,
    transport.sessions,
    transport.failing,
    transport.accept,
    transport.listening,
    transport.buffered,
    transport.silent,
    versions.handshakes,
    versions.results,
    versions.identity,
    metadata.challenge,
    metadata.resource,
    metadata.uninvited,
    providers.issuers,
    clients.registrations,
    clients.authorized,
    clients.signed_in,
    tokens.own,
    tokens.strangers,
    tokens.expired,
    tools.listed,
    tools.schemas,
    clients.called,
    browsers.preflight,
]


def examine(heard: Evidence) -> Iterator[Seen]:
    """Everything that is wrong, once."""
    for probe in FIRST:
        yield from probe(heard)
    for probe in ENDING:
        if found := list(probe(heard)):
            yield from found
            return
    for probe in OTHERS:
        yield from probe(heard)
