"""One run of the doctor, from the command line to the exit status."""

import argparse
import asyncio
import getpass
import os
import sys
import threading
import time
import webbrowser
from contextlib import suppress
from pathlib import Path

from ..recorded import Problem
from . import credentials, project, report
from .credentials import Credential
from .findings import FAIL
from .network import Network
from .probes import examine
from .report import FORMATS, Diagnosis
from .survey import Options, Survey
from .target import Url
from .target import given as target_given
from .verdicts import findings, status, verdicts

GRACE = 8.0  # seconds after the network's time, until the process is ended whatever the system does
SECRET = "MCP_CLIENT_SECRET"


def run(given: argparse.Namespace, name: str) -> int:
    """The exit status; the diagnosis goes to standard output."""
    target = target_given(given.url)
    credential = credentials.given(given.header_file)
    network = Network()
    options = Options(
        call=given.call or "",
        register=given.register,
        client=(given.client_id or "", os.environ.get(SECRET, "")),
        login=open_browser if given.login else None,
        prompt=ask if sys.stdin.isatty() and sys.stderr.isatty() and not given.login else None,
    )
    watch(network, name)
    try:
        diagnosis, code = asyncio.run(diagnose(target, network, credential, given.platform, options))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise Problem(f"An answer of the server cannot be judged ({kind}). Please report this.") from None
    except KeyboardInterrupt:
        raise Problem("It was interrupted.") from None
    sys.stdout.write(FORMATS[given.format](diagnosis))
    sys.stdout.flush()
    return code


def watch(network: Network, name: str) -> None:
    """End the process in time, even where it waits for the system."""

    def end() -> None:
        while (rest := network.ends + GRACE - time.monotonic()) > 0:
            time.sleep(min(rest, 1))
        sys.stderr.write(f"{name}: it took too long, and was ended. Run it again, or look at the server's log.\n")
        sys.stderr.flush()
        os._exit(2)

    threading.Thread(target=end, daemon=True).start()


def ask() -> Credential:
    """What somebody at the terminal types; it is not shown."""
    with suppress(EOFError):
        value = getpass.getpass("The server asks for a credential. Key or token (Enter for none): ", sys.stderr)
        return credentials.bearer(value, "the prompt") if value.strip() else Credential()
    return Credential()


def open_browser(url: str) -> None:
    """Show where to sign in, and open it where there is a browser."""
    print(f"Sign in in your browser. If it does not open, open this URL:\n{url}", file=sys.stderr, flush=True)

    def show() -> None:
        with suppress(webbrowser.Error):
            webbrowser.open(url)

    threading.Thread(target=show, daemon=True).start()  # some browsers end before this goes on


async def diagnose(
    target: Url,
    network: Network,
    credential: Credential | None = None,
    wanted: str | None = None,
    options: Options | None = None,
) -> tuple[Diagnosis, int]:
    """What is wrong, and the exit status. What was heard until the time is over counts."""
    survey = Survey(target, network, credential or Credential(), options or Options())
    task = asyncio.ensure_future(survey.run())
    while not task.done() and network.remaining() > 0:
        await asyncio.wait([task], timeout=network.remaining())
    if not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)
    elif error := task.exception():
        raise error
    heard = survey.evidence
    seen = [one._replace(seen=heard.hide(one.seen)) for one in examine(heard)]
    said, found = verdicts(heard, seen), findings(seen, project.here(Path.cwd()), wanted)
    shown = [one for one in said if wanted in (None, one.platform)]
    well = all(finding.level != FAIL for finding in found)
    notes = [heard.hide(note) for note in report.unseen(heard, shown, well)]
    diagnosis = Diagnosis(target.shown, report.about(heard), said, found, notes, wanted)
    return diagnosis, status(found, said, wanted)
