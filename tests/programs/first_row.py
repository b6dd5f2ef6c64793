"""`make first`: from an empty folder to a real row through Inspector, as a newcomer does it, with a stopwatch.

For each source, a system of the user's runs here: an application with an OpenAPI document, a database, an API. What is
typed comes from README.md, from what Copier says afterwards, and from the connector's own documents. While the
connector runs, a row with a random value is put into the system. The line that `dev` prints for Inspector must return
it. What people need to read and to type is not in the times.
"""

import argparse
import os
import re
import secrets
import shlex
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from textwrap import shorten

from ..lib import databases, rendering
from ..lib.rendering import ROOT
from ..lib.serving import PEERS, free_port, started
from .first_row_systems import SYSTEMS, UV, Failed, Newcomer, System, block, last, postgresql

LIMIT = 300  # seconds that all of it may take
OTHERS = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "DATABASE_URL", "UPSTREAM_URL"}


def run(user: Newcomer, template: Path, source: str, system: System) -> None:
    """All that a newcomer does, from an empty folder to the row.

    Raises:
        Failed: A step failed, the row did not come back, or it took too long.
    """
    copy = block(ROOT / "README.md", "copy --defaults").replace("source=rest-api", f"source={source}")
    copy = re.sub(r"https://\S+\.git", str(template), copy)
    _, said = user.types(copy, user.folder, "uvx copier copy")
    next_steps = said[said.index("\nNext:") : said.index("\nCtrl+C")]
    enter, *prepare, dev = re.findall(r"^  (\S.*)$", next_steps, re.MULTILINE)
    project = user.folder / enter.removeprefix("cd ")
    for command in prepare:
        user.types(command, project)
    system.reach(user, project)
    port = free_port()
    origin, env = f"http://127.0.0.1:{port}", {**user.env, "PORT": str(port)}
    with ExitStack() as stack:
        try:
            with user.step(f"{dev}, until it is ready"):
                starting = started(shlex.split(dev), env, project, origin, f"{origin}/health/ready", {})
                connector = stack.enter_context(starting)
        except AssertionError as error:
            raise Failed(f"{dev} failed: {last(str(error)).rpartition('] ended: ')[2]}") from None
        [line] = re.findall(r"^  Inspector +(.+)$", connector.log.read_text(), re.MULTILINE)
        value = f"row-{secrets.token_hex(8)}"
        system.put(value)
        arguments = [f"--tool-arg={name}={text.replace('VALUE', value)}" for name, text in system.arguments.items()]
        call = shlex.join(["tools/call", "--tool-name", system.tool, *arguments])
        command = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH {line.replace('tools/list', call)}"
        inspector = f"npx @modelcontextprotocol/inspector, {system.tool}"
        answer, errors = user.types(command, user.peers, inspector, check=False)
    check(user, system.tool, value, answer or errors)


def check(user: Newcomer, tool: str, value: str, answer: str) -> None:
    if value not in answer:
        raise Failed(f"{tool} did not return {value}, which was put there just before: {shorten(answer, 250)}")
    if (total := sum(user.steps.values())) > LIMIT:
        raise Failed(f"it took {total:.0f} s, more than {LIMIT}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a name: openapi, SQLite, PostgreSQL, rest-api or blank")
    parser.add_argument("--cold", action="store_true", help="download everything, as on a new machine")
    options, failed = parser.parse_args(), 0
    cache = Path(subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip())
    warm = not options.cold and cache.is_dir() and any(cache.iterdir())
    print(f"uv's cache: {f'warm, {cache}' if warm else 'empty'}. Inspector: {'cold' if options.cold else 'installed'}.")
    env = {name: value for name, value in os.environ.items() if name not in OTHERS}
    env |= {"PATH": f"{UV.parent}:{env['PATH']}", "no_proxy": "127.0.0.1,localhost", "npm_config_yes": "true"}
    with tempfile.TemporaryDirectory(prefix="first-") as temporary:
        template = rendering.snapshot(Path(temporary) / "template", "v1000.0.0")
        for number, (title, (source, system)) in enumerate(SYSTEMS.items()):
            if options.only not in title:
                continue
            if system is postgresql and (why := databases.missing("postgresql")):
                print(f"\n{title}: skipped. {why}")
                continue
            folder = Path(temporary) / str(number)
            for name in ("empty", "peers", "system"):
                (folder / name).mkdir(parents=True)
            if options.cold:
                env |= {"UV_CACHE_DIR": str(folder / "uv"), "npm_config_cache": str(folder / "npm")}
            user, told = (
                Newcomer(folder / "empty", env, folder / "peers" if options.cold else PEERS),
                "the row is there",
            )
            try:
                with system(folder / "system") as has:
                    run(user, template, source, has)
            except Failed as error:
                failed, told = failed + 1, f"FAILED: {error}".rstrip(".")
            print(f"\n{title}")
            for name, seconds in user.steps.items():
                print(f"{seconds:7.1f} s  {name}")
            print(f"{sum(user.steps.values()):7.1f} s  together: {told}.", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
