"""One run of the doctor, from the command line to the exit status."""

import argparse
import asyncio
import getpass
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..recorded import Problem
from . import credentials, project, report
from .credentials import Credential
from .network import Network
from .probes import examine
from .report import FORMATS, Diagnosis
from .survey import Survey
from .target import Url
from .target import given as target_given
from .verdicts import findings, status, verdicts

LAST = 58.0  # seconds until the process ends, whatever the other side does


def run(given: argparse.Namespace, name: str) -> int:
    """The exit status; the diagnosis goes to standard output."""
    target = target_given(given.url)
    credential = credentials.given(given.header_file)
    watchdog = watch(name)
    diagnosis, code = asyncio.run(diagnose(target, Network(), credential, given.platform, ask(given, watchdog)))
    sys.stdout.write(FORMATS[given.format](diagnosis))
    sys.stdout.flush()
    return code


def watch(name: str, seconds: float = LAST) -> "list[threading.Timer]":
    """End the process in time, even where it waits for the system."""

    def end() -> None:
        sys.stderr.write(f"{name}: it took too long, and was ended. Nothing can be said.\n")
        sys.stderr.flush()
        os._exit(2)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return [timer]


def ask(given: argparse.Namespace, watchdog: "list[threading.Timer]") -> Callable[[], Credential] | None:
    """A prompt for a credential, where somebody sits at a terminal."""
    if given.format == "json" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def prompt() -> Credential:
        watchdog[0].cancel()
        value = ""
        with suppress(EOFError):
            value = getpass.getpass("The server asks for a credential. Key or token (Enter for none): ", sys.stderr)
        watchdog[:] = watch("mcp-connector doctor")
        return credentials.bearer(value, "the prompt") if value.strip() else Credential()

    return prompt


async def diagnose(
    target: Url,
    network: Network,
    credential: Credential | None = None,
    wanted: str | None = None,
    prompt: Callable[[], Credential] | None = None,
) -> tuple[Diagnosis, int]:
    """What is wrong, and the exit status. What was heard until the time is over counts."""
    survey = Survey(target, network, credential or Credential(), prompt)
    task = asyncio.ensure_future(survey.run())
    while not task.done() and network.remaining() > 0:
        await asyncio.wait([task], timeout=network.remaining())
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    task.done() and not task.cancelled() and task.result()
    heard = survey.evidence
    seen = [one._replace(seen=heard.credential.hide(one.seen)) for one in examine(heard)]
    said, found = verdicts(heard, seen), findings(seen, project.here(Path.cwd()), wanted)
    shown = [one for one in said if wanted in (None, one.platform)]
    diagnosis = Diagnosis(target.shown, report.about(heard), said, found, report.unseen(heard, shown), wanted)
    return diagnosis, status(found, said, wanted)


__all__ = ["Problem", "diagnose", "run"]
