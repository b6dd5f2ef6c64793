"""Names and texts of a document, as Python has them."""

import keyword
import re
import textwrap
import unicodedata
from collections.abc import Container

MAX_NAME = 64  # characters of a tool's name that every platform takes
LINE = 92  # characters of a literal on a line of its own, with room for what stands around it
USED = {
    "api",
    "bool",
    "dict",
    "float",
    "int",
    "list",
    "str",
    "with_config",
}  # in modules of tools, so no function has such a name
LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "œ": "oe", "Æ": "Ae", "Ø": "O", "Ł": "L"})


def snake(name: str) -> str:
    """`listPets` and `list-pets` as `list_pets`; "" if nothing in it is ASCII once accents are gone."""
    name = unicodedata.normalize("NFKD", name.translate(LETTERS))
    name = "".join(sign for sign in name if not unicodedata.combining(sign))
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_").lower()


def identifier(name: str, otherwise: str) -> str:
    """The same as a name that Python takes."""
    name = snake(name) or otherwise
    if name[0].isdigit():
        name = f"n{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def function(operation_id: str, method: str, place: str) -> str:
    """What a tool is called: by its operation, or by its method and path."""
    doubled = re.sub(r"\W", "_", place) + f"_{method.lower()}"  # as FastAPI ends its ids
    name = identifier(operation_id.removesuffix(doubled) or operation_id, "") if snake(operation_id) else ""
    if not name:
        words = [snake(word) for word in re.findall(r"[^/{}]+", place)]
        name = identifier("_".join([method.lower(), *filter(None, words)]), "tool")
    if name in USED:
        return f"{name}_"
    return f"run_{name}" if f"{name}_".startswith("test_") else name  # pytest would take it for a test


def unique(name: str, taken: Container[str], most: int = MAX_NAME) -> str:
    """The name, or with a number, in at most so many characters."""
    name = name if len(name) <= most else name[:most].rstrip("_")
    found, number = name, 2
    while found in taken or keyword.iskeyword(found):
        end = f"_{number}"
        found, number = f"{name[: most - len(end)].rstrip('_')}{end}", number + 1
    return found


def class_name(name: str) -> str:
    words = [word for word in snake(name).split("_") if word]
    found = "".join(word[:1].upper() + word[1:] for word in words) or "Part"
    return (f"N{found}" if found[0].isdigit() else found)[:MAX_NAME]


def clean(text: object) -> str:
    """On one line, without what a terminal or an editor would obey."""
    signs = (" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in str(text))
    return " ".join("".join(signs).split())


def prose(markdown: object, most: int) -> str:
    """The first paragraph of a description, without links, tags and markup, in at most so many characters."""
    if not isinstance(markdown, str):
        return ""
    first = re.split(r"\n\s*\n", markdown[:20_000].strip(), maxsplit=1)[0]
    first = re.sub(r"!?\[([^][]*)\]\([^()]*\)", r"\1", first)
    first = re.sub(r"</?[A-Za-z][^<>]*>|^[#>\s]+|\*\*|__", "", first)
    first = clean(first.replace("\\", "").replace('"""', "'''"))
    if len(first) <= most:
        return first
    cut = first[:most]
    end = max(cut.rfind(". "), cut.rfind("; "))
    return cut[: end + 1].rstrip(";") if end > most // 3 else cut.rsplit(" ", 1)[0] + "…"


def sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…", ":")) else f"{text}."


def quoted(text: str) -> str:
    """A literal, as several lines in parentheses if it is long; the formatter lays it out."""
    if len(text) <= LINE:
        return literal(text)
    lines = textwrap.wrap(text, LINE, drop_whitespace=False, break_on_hyphens=False)
    return f"({' '.join(map(literal, lines))})"


def literal(text: str) -> str:
    """In double quotes, as the formatter has it, unless there are more of them inside."""
    written = repr(text)
    if written.startswith("'") and '"' not in text:
        return f'"{written[1:-1]}"'
    return written


def documented(text: str) -> str:
    """The inside of a docstring."""
    lines = textwrap.wrap(text, 110, break_on_hyphens=False)
    return "\n    ".join(lines) + ("\n    " if len(lines) > 1 else "")
