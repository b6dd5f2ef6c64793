"""What the documents of a connector name is there: files, variables, commands, anchors. Their steps can be followed.

Each document is read as its reader has it, for every target and auth mode, and for every identity provider once. A
sentence about another target, or a variable of another auth mode, is a finding too.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from itertools import cycle
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from ..docs.test_docs import blocks
from ..lib import homes, rendering
from ..lib.rendering import Rendered
from ..render.test_identity import WORKING

pytestmark = pytest.mark.targets

TARGETS = rendering.choices("hosting")
MODES = rendering.choices("auth_mode")
PIPELINES = {"github": ".github/workflows/deploy.yml", "gitlab": ".gitlab/deploy.yml"}

# ---------------------------------------------------------------------------------------------------------- renders


def answers(mode: str, target: str, provider: str = "generic") -> dict[str, str]:
    """Sources and pipelines take turns; other tests of targets render the same connectors, but those of a provider."""
    turn = MODES.index(mode) + TARGETS.index(target)
    source = "blank" if mode == "none" else ["rest-api", "blank"][turn % 2]
    given = {"auth_mode": mode, "hosting": target, "source": source}
    chosen = {"identity_provider": provider} if provider != "generic" else {}
    return {**given, "ci": ["github", "gitlab"][turn % 2] if mode == "none" else "none", **chosen}


PAIRS = [(mode, target) for target in TARGETS for mode in MODES]
OF_PROVIDERS = [  # each identity provider with each auth mode that can use it, the targets in turn
    (mode, TARGETS[number % len(TARGETS)], provider)
    for number, (mode, provider) in enumerate(WORKING)
    if provider != "generic"
]
WATCHED = [  # with a runbook: each target, the modes in turn
    {**answers(mode, target), "observability": "prometheus"}
    for target, mode in zip(TARGETS, cycle(MODES), strict=False)
]
OF_SOURCES = [{**answers("oauth", "fly"), "source": source} for source in ("openapi", "database")]
EVERY = [answers(*pair) for pair in PAIRS] + [answers(*one) for one in OF_PROVIDERS] + WATCHED + OF_SOURCES


class Guides(NamedTuple):
    """The documents of a connector, by their paths, and what it was rendered for."""

    project: Path
    answers: Mapping[str, str]

    @property
    def texts(self) -> dict[str, str]:
        pages = [Path("README.md"), *(page.relative_to(self.project) for page in self.project.glob("docs/*.md"))]
        return {page.as_posix(): (self.project / page).read_text(encoding="utf-8") for page in sorted(pages)}

    @property
    def example(self) -> str:
        return (self.project / ".env.example").read_text(encoding="utf-8")

    def deployed(self) -> list[Path]:
        """The files that deploy it, and the pipeline that does."""
        names = [*of_targets()[self.answers["hosting"]], *PIPELINES.values()]
        return [self.project / name for name in names if (self.project / name).is_file()]


@cache
def of_targets() -> dict[str, list[str]]:
    """The files that a target adds, beside its document."""
    found: dict[str, list[str]] = {}
    for target in TARGETS:
        group = rendering.group(target)
        names = [file.relative_to(group).as_posix().removesuffix(".jinja") for file in group.rglob("*.jinja")]
        named = [re.sub(r"\{\{ only\.\w+ \}\}/", "", name) for name in names]
        found[target] = sorted(name for name in named if name != "docs/deploy.md")
    return found


# ---------------------------------------------------------------------------------------------------------- findings

MADE = {
    ".env",
    "index.lock",
    "log.jsonl",
    "uv.lock",
}  # by the reader, by uv, or by git; what lies in secrets/ is made too
MADE |= {"compose.override.yaml", ".gitlab/own.yml", "deploy/own", "deploy/own/kustomization.yaml"}  # if they want
MADE |= {".vscode/mcp.json", ".cursor/mcp.json"}  # of the programs that call the connector
MADE |= {"./openapi.yaml", ".import.json"}  # the document to import, and what the import writes
GONE = {"railway.json"}  # named because it was read until lately
PATHS = re.compile(
    r"[\w./-]*[\w-]\.(?:ya?ml|toml|ts|py|md|json|lock|jsonl)\b|\.env(?:\.example)?\b|\bCaddyfile\b|\bDockerfile\b"
    r"|\bdeploy/[\w/]*\w|\.(?:github|gitlab|railway)/[\w./-]*\w|\bsrc/[\w/]*\w"
)
PLATFORMS = {target: homes.expected(target)["words"] for target in TARGETS}  # that other targets' documents may not use
WELL_KNOWN = {
    "INFO",  # the default of LOG_LEVEL
    "OTEL_EXPORTER_OTLP_ENDPOINT",  # of OpenTelemetry
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "CAPABILITY_IAM",
    "PWD",
    "S256",
    "WRONG_VERSION_NUMBER",  # what OpenSSL says
    *("FILE", "SUPER", "PROCESS", "SELECT", "MAX_USER_CONNECTIONS"),  # words of SQL
    *("BREAKING", "ADDITIVE"),  # verdicts of an import
}
PLACEHOLDER = re.compile(r"YOUR_\w+|\w+_OF_(?:A|AN|THE)_\w+|PROJECT_ID|PROJECT_NUMBER")


def unknown_files(guides: Guides) -> list[str]:
    """Files that a document names and that are not in the project."""
    links = re.compile(r"\]\([^)]*\)|\b(?:https?|file):/\S+")
    found = []
    [package] = guides.project.glob("src/*")
    for page, text in guides.texts.items():
        shown = set(re.findall(r"^`([\w./]+)`:$", text, re.MULTILINE))  # whole, in the block below
        for name in PATHS.findall(links.sub("", text)):
            places = [folder / name for folder in (guides.project, (guides.project / page).parent, package)]
            if not (
                name in MADE | GONE | shown
                or name.startswith(("secrets/", "/"))
                or any(place.exists() for place in places)
            ):
                found.append(f"{page}: there is no {name}")
    return found


def other_targets(guides: Guides) -> list[str]:
    """Words and files of another target."""
    found = []
    for target in set(TARGETS) - {guides.answers["hosting"]}:
        words = [PLATFORMS[target], *(rf"(?<![\w./-]){re.escape(name)}\b" for name in of_targets()[target])]
        for page, text in {**guides.texts, ".env.example": guides.example}.items():
            found += [f"{page}: {word} is of {target}" for word in re.findall("|".join(words), text)]
    return found


def settings(example: str) -> dict[str, str]:
    """Variables that .env.example lists, with the comment above each."""
    return {name: help for help, name in re.findall(r"^# (.+)\n# ([A-Z][A-Z0-9_]*)=", example, re.MULTILINE)}


def set_by(text: str) -> set[str]:
    """The variables that commands of a document set."""
    found = re.findall(r"\b([A-Z]\w*)=|read -rs ([A-Z]\w*)", "\n".join(blocks(text)))
    return {name for pair in found for name in pair}


def unknown_variables(guides: Guides) -> list[str]:
    """Variables that are not a setting of this connector, not in its deploy files, and not set by a command."""
    words = {word for file in guides.deployed() for word in re.findall(r"[A-Z][A-Z0-9_]+", file.read_text())}
    known = settings(guides.example).keys() | words | WELL_KNOWN
    elsewhere = set_by(guides.texts["docs/deploy.md"])
    [extended] = [module.read_text(encoding="utf-8") for module in guides.project.glob("src/*/extend.py")]
    found = []
    for page, text in guides.texts.items():
        said = set(re.findall(r"`([A-Z][A-Z0-9]+)`", text))
        code = "\n".join(blocks(text))
        used = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", code)) - set_by(text) - (elsewhere & said)
        named = {*re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text), *(name for name in said if len(name) > 3)}
        # The guide of an identity provider lists settings to make; other commands may set what they please.
        named -= set() if page == "docs/identity-provider.md" else set_by(text) | elsewhere
        constants = set(re.findall(r"^([A-Z_]+)(?:: [^=]+)? = ", text + extended, re.MULTILINE))
        unknown = (used | named) - known - constants
        found += [f"{page}: {name} is not a setting" for name in unknown if not PLACEHOLDER.fullmatch(name)]
    return found


def wrongly_required(guides: Guides) -> list[str]:
    """What .env.example calls required though Compose sets it, or does not although Compose demands it."""
    if guides.answers["hosting"] != "compose":
        return []
    compose = (guides.project / "compose.yaml").read_text(encoding="utf-8")
    demanded = set(re.findall(r"\$\{(\w+):\?", compose))
    help = settings(guides.example)
    plain = {name for name, text in help.items() if " Required." in text and "Secret." not in text}
    return [f".env.example: {name} is required on one side" for name in sorted(plain ^ demanded)]


def broken_links(guides: Guides) -> list[str]:
    found = []
    for page, text in guides.texts.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if urlsplit(target).scheme:
                continue
            name, _, anchor = target.partition("#")
            file = (guides.project / page).parent / name if name else guides.project / page
            if not file.is_file():
                found.append(f"{page}: there is no {target}")
                continue
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            if anchor and anchor not in slugs:
                found.append(f"{page}: there is no {target}")
    return found


def commands(text: str) -> list[list[str]]:
    """Each command of a document, as words; shell syntax is only split at."""
    joined = re.sub(r"\\\n\s*", " ", "\n".join(blocks(text)))
    simple = re.split(r"\n|&&|\|\||\||;|\$\(", joined)
    inline = [code for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text) if " " in code]
    return [words for part in [*simple, *inline] if (words := part.split())]


ON_THE_MACHINE = {"docs/deploy.md", "docs/connect.md"}  # with Compose; other pages are for where it is developed


def unknown_programs(guides: Guides) -> list[str]:
    """Programs of a place where they are not: of uv on a machine that has none, of a Makefile, of a service."""
    found = []
    files = {name: guides.project / name for name in ("compose.yaml", "cloudformation.yaml")}
    for page, text in guides.texts.items():
        for words in commands(text):
            if words[0] == "make":
                found.append(f"{page}: there is no Makefile for {' '.join(words)}")
            if guides.answers["hosting"] == "compose" and page in ON_THE_MACHINE and "uv run" in " ".join(words):
                found.append(f"{page}: the machine has no uv for {' '.join(words)}")
            if words[:2] == ["docker", "compose"] and words[2] in {"up", "logs", "exec", "run", "restart"}:
                services = re.findall(
                    r"^  (\w+):$", files["compose.yaml"].read_text().partition("\nnetworks:")[0], re.MULTILINE
                )
                rest = [word for word in words[3:] if not word.startswith("-")]
                found += [f"{page}: there is no service {name}" for name in set(rest) - set(services)]
            if "--parameter-overrides" in words:
                rest = words[words.index("--parameter-overrides") + 1 :]
                known = files["cloudformation.yaml"].read_text()
                names = [word.partition("=")[0] for word in rest if "=" in word]
                found += [f"{page}: there is no parameter {name}" for name in names if f"\n  {name}:" not in known]
            for option, key in (("-k", "kustomization.yaml"),):
                if words[0] == "kubectl" and option in words:
                    folder = words[words.index(option) + 1]
                    if f"{folder}/{key}" not in MADE and not (guides.project / folder / key).is_file():
                        found.append(f"{page}: there is nothing to apply in {folder}")
    return found


FINDINGS: list[Callable[[Guides], list[str]]] = [
    unknown_files,
    other_targets,
    unknown_variables,
    wrongly_required,
    broken_links,
    unknown_programs,
]


@pytest.mark.parametrize("chosen", EVERY, ids=rendering.label)
def test_what_the_documents_name_is_there(rendered: Rendered, chosen: dict[str, str]) -> None:
    guides = Guides(rendered(chosen), MappingProxyType(chosen))
    assert [finding for find in FINDINGS for finding in find(guides)] == []


PLANTED = [  # the answers, the page, an edit (nothing: a sentence at the end), and what must find it
    (answers("none", "fly"), "docs/deploy.md", "`fly.toml`", "`flyway.toml`", unknown_files),
    (
        answers("oauth", "kubernetes"),
        "docs/deploy.md",
        "`deploy/base/connector.yaml`",
        "`deploy/connector.yaml`",
        unknown_files,
    ),
    (answers("none", "compose"), "docs/deploy.md", "", "`src/acme_crm/server.py` has the routes.", unknown_files),
    (answers("oauth-proxy", "fly"), "docs/identity-provider.md", "", "`compose.yaml` adds one.", other_targets),
    (answers("headers", "compose"), "docs/connect.md", "", "Cloud Run needs no such header.", other_targets),
    (answers("none", "azure-container-apps"), ".env.example", "", "# With compose.yaml it is a file.", other_targets),
    (answers("oauth", "fly"), "docs/connect.md", "`OAUTH_SCOPES`", "`OAUTH_SCOPE`", unknown_variables),
    (answers("oauth", "fly"), "docs/deploy.md", "", "Then set `API_KEYS_FILE`.", unknown_variables),
    (answers("none", "render"), "README.md", "", "```sh\necho $HOST_NAME\n```", unknown_variables),
    (
        answers("oauth", "aws-ecs"),
        "docs/identity-provider.md",
        "   OAUTH_ISSUER=",
        "   OAUTH_ISSUERS=",
        unknown_variables,
    ),
    (
        answers("none", "compose"),
        ".env.example",
        "compose.yaml sets it from PUBLIC_HOST.",
        "Required.",
        wrongly_required,
    ),
    (answers("oauth", "compose"), ".env.example", "writes it. Required.", "writes it.", wrongly_required),
    (
        answers("oauth", "fly"),
        "docs/connect.md",
        "(identity-provider.md#values-to-paste)",
        "(identity-provider.md#duvo)",
        broken_links,
    ),
    (answers("oauth", "fly"), "README.md", "(docs/deploy.md)", "(docs/deployment.md)", broken_links),
    (answers("api-key", "compose"), "docs/connect.md", "acme-crm connector", "uv run connector", unknown_programs),
    (answers("none", "fly"), "README.md", "uv sync", "make sync", unknown_programs),
    (answers("none", "compose"), "docs/deploy.md", "--follow connector", "--follow server", unknown_programs),
    (answers("none", "aws-ecs"), "docs/deploy.md", " PublicHost=", " HostName=", unknown_programs),
    (
        answers("none", "kubernetes"),
        "docs/deploy.md",
        "apply -k deploy/gateway",
        "apply -k deploy/gateways",
        unknown_programs,
    ),
]


@pytest.mark.parametrize(("chosen", "page", "right", "wrong", "find"), PLANTED, ids=range(len(PLANTED)))
def test_a_planted_error_in_a_document_is_found(
    rendered: Rendered,
    tmp_path: Path,
    chosen: dict[str, str],
    page: str,
    right: str,
    wrong: str,
    find: Callable[[Guides], list[str]],
) -> None:
    project = shutil.copytree(rendered(chosen), tmp_path / "project")
    text = (project / page).read_text(encoding="utf-8")
    assert right in text
    (project / page).write_text(text.replace(right, wrong) if right else f"{text}\n{wrong}\n", encoding="utf-8")
    assert find(Guides(project, chosen))


# ---------------------------------------------------------------------------------------------------- its own command

PARSE = """
import argparse, contextlib, json, sys
from acme_crm.core.command import cli

class Parsed(Exception):
    pass

cli.versions = str  # nothing is installed here
parse_args = argparse.ArgumentParser.parse_args

def parse(self, *given):
    parse_args(self, *given)
    raise Parsed

argparse.ArgumentParser.parse_args = parse
for words in json.load(sys.stdin):
    sys.argv = [cli.COMMAND, *words]
    try:
        with contextlib.redirect_stdout(None):
            cli.main()
    except Parsed:
        pass
    except SystemExit as ended:
        if ended.code:
            print(*words)
"""


COMMANDS = "keys|serve|dev|smoke|settings|fingerprint"


def own_commands(text: str) -> list[list[str]]:
    """The arguments of each command of the connector that a document names; in a sentence, some may be left out."""
    found = []
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in re.findall(r"(?:uv run |acme-crm )connector (\w.*)$", "\n".join(blocks(joined)), re.MULTILINE):
        found.append(shlex.split(line, comments=True))
    for code in re.findall(rf"(?<!`)`(?:uv run )?((?:connector )?(?:{COMMANDS})\b[^`]*)`(?!`)", text):
        found.append([*shlex.split(code.removeprefix("connector ")), "--help"])
    return found


def refused(project: Path, named: list[list[str]]) -> list[str]:
    """Those that the command of a connector does not take."""
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(project / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    program = [str(rendering.python(project)), "-c", PARSE]
    done = subprocess.run(program, env=variables, input=json.dumps(named), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("keys", [True, False])
def test_commands_of_the_connector_in_documents_are_commands(rendered: Rendered, keys: bool) -> None:
    """Only the mode api-key has commands of its own."""
    pairs = [(mode, target) for mode, target in PAIRS if (mode == "api-key") == keys]
    renders = [Guides(rendered(answers(*pair)), answers(*pair)) for pair in pairs]
    named = [tuple(words) for guides in renders for text in guides.texts.values() for words in own_commands(text)]
    assert len({words[0] for words in named}) >= 3
    assert refused(renders[0].project, [list(words) for words in dict.fromkeys(named)]) == []


def test_a_command_that_the_connector_does_not_take_is_found(rendered: Rendered) -> None:
    wrong = ["smok https://x/mcp", "keys new --owner A --scops read", "dev --port 1", "key list --help"]
    right = ["smoke https://x/mcp", "keys new --owner A --scopes read", "keys --help"]
    assert refused(rendered(answers("api-key", "fly")), [line.split() for line in wrong + right]) == wrong


# ---------------------------------------------------------------------------------------------------- followed

STAND_IN = """#!/bin/sh
# Notes what it was called with, takes what it is given, and prints something that later commands can use.
{ printf %s "${0##*/}"; for word; do printf ' %s' "$word"; done; echo; } >> "$CALLS"
if [ -p /dev/stdin ]; then cat > /dev/null; fi
echo value
"""
PROGRAMS = ["curl", "docker", "git", "gh", "uv", "uvx", *homes.programs()]
BY_HAND = {  # what a document has its reader change in an editor: the file, what stands there, and a name for it
    target: [(row["file"], row["old"], row["name"]) for row in homes.expected(target).get("by_hand", [])]
    for target in TARGETS
}
ASSIGNED = (
    r"^ *(?:export )?[A-Z_]+=[\w./-]+(?: [A-Z_]+=[\w./-]+)*(?= *(?:#.*)?$)"  # a line that sets values as they stand
)


class Followed(NamedTuple):
    left: list[str]  # values of examples, and places to fill in, that still stand somewhere
    calls: list[str]  # what platforms' programs were called with


def chosen_values(script: str, turn: int) -> tuple[str, dict[str, str]]:
    """Commands with other values than those of the document, and what was replaced by what."""
    replaced: dict[str, str] = {}

    def other(name: str, value: str) -> str:
        replaced[value] = f"{name.lower().replace('_', '-')}-{turn}"
        return f"{name}={replaced[value]}"

    def line(found: re.Match[str]) -> str:
        return re.sub(r"([A-Z_]+)=([\w./-]+)", lambda each: other(each[1], each[2]), found[0])

    return re.sub(ASSIGNED, line, script, flags=re.MULTILINE), replaced


ELSEWHERE = re.compile(r"^## Behind a company's proxy.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)  # builds any image


def followed(guides: Guides, turn: int, scratch: Path) -> Followed:
    """Do what docs/deploy.md says, and then docs/connect.md, with stand-ins for the programs of platforms."""
    project = shutil.copytree(guides.project, scratch / "project")
    (scratch / "bin").mkdir()
    for name in PROGRAMS:
        (scratch / "bin" / name).write_text(STAND_IN)
        (scratch / "bin" / name).chmod(0o755)
    (project / "secrets/keys").mkdir(parents=True)
    (project / "secrets/keys/keys.jsonl").write_text("{}\n")
    pages = [guides.texts[page] for page in ("docs/deploy.md", "docs/connect.md") if page in guides.texts]
    pages = [ELSEWHERE.sub("", page) for page in pages]
    script, replaced = chosen_values("\n".join(block for page in pages for block in blocks(page)), turn)
    for name, old, value in BY_HAND.get(guides.answers["hosting"], []):
        replaced[old] = f"{value.lower().replace('_', '-')}-{turn}"
        text = (project / name).read_text()
        assert old in text
        (project / name).write_text(text.replace(old, replaced[old]))
    (scratch / "typed").write_text("secret\n" * 20)
    variables = {"PATH": f"{scratch / 'bin'}:/usr/bin:/bin", "HOME": str(scratch), "CALLS": str(scratch / "calls")}
    with (scratch / "typed").open() as typed:
        done = subprocess.run(
            ["bash", "-euc", script.replace("/tmp/", f"{scratch}/")],
            cwd=project,
            env=variables,
            stdin=typed,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    calls = (scratch / "calls").read_text().splitlines()
    left = []
    files = Guides(project, guides.answers).deployed()
    for place, text in [
        *((file.name, without_comments(file.read_text())) for file in files),
        *(("call", call) for call in calls),
    ]:
        for old in replaced:
            if re.search(rf"(?<![\w-]){re.escape(old)}(?![\w-])", text):
                left.append(f"{place}: {old}")
        left += [
            f"{place}: {name}"
            for name in re.findall(r"PROJECT_(?:ID|NUMBER)\b|\bYOUR_(?!CLIENT)[A-Z]+|\byour-[a-z-]+", text)
        ]
    return Followed(left, calls)


def without_comments(text: str) -> str:
    return re.sub(r"^\s*(?:#|//).*$|# yours$|// yours$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("mode", "turn"), [("none", 1), ("api-key", 2), ("oauth-proxy", 1)])
@pytest.mark.parametrize("target", TARGETS)
def test_a_deployment_guide_is_followed_with_other_names(
    rendered: Rendered, target: str, mode: str, turn: int, tmp_path: Path
) -> None:
    chosen = answers(mode, target)
    done = followed(Guides(rendered(chosen), chosen), turn, tmp_path)
    assert done.left == []
    assert done.calls


OLD = [  # how documents were: the target, the auth mode, and the edit
    ("cloud-run", "none", "; s/europe-west1/$REGION/", ""),
    ("fly", "oauth-proxy", '--region "$REGION"', "--region fra"),
    ("fly", "none", "|registry.fly.io/", ""),
    ("azure-container-apps", "none", ' -e "s/^location: .*/location: $REGION/"', ""),
    ("azure-container-apps", "none", '-e "s|resourceGroups/acme-crm/|resourceGroups/$GROUP/|" ', ""),
    ("kubernetes", "none", 'push "$IMAGE:v1"', "push registry.example.com/acme-crm:v1"),
]


@pytest.mark.parametrize(("target", "mode", "right", "wrong"), OLD, ids=range(len(OLD)))
def test_a_guide_that_keeps_a_value_of_its_example_is_found(
    rendered: Rendered, tmp_path: Path, target: str, mode: str, right: str, wrong: str
) -> None:
    chosen = {**answers(mode, target), **({"ci": "github"} if mode == "none" else {})}
    project = shutil.copytree(rendered(chosen), tmp_path / "copy")
    page = project / "docs/deploy.md"
    text = page.read_text()
    assert right in text
    page.write_text(text.replace(right, wrong))
    assert followed(Guides(project, chosen), 1, tmp_path).left


def test_a_guide_that_uses_what_it_does_not_set_is_found(rendered: Rendered, tmp_path: Path) -> None:
    chosen = answers("none", "cloud-run")
    project = shutil.copytree(rendered(chosen), tmp_path / "copy")
    page = project / "docs/deploy.md"
    page.write_text(page.read_text().replace("export NUMBER=", "export NUMBERS="))
    with pytest.raises(AssertionError, match="NUMBER"):
        followed(Guides(project, chosen), 1, tmp_path)
