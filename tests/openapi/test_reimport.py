"""An import after the document changed, its owner edited the tools, or both."""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..lib import importing, rendering
from ..lib.importing import Document, document, operation, parameter

TEXT = {"type": "string"}
ADDRESS = {"type": "object", "properties": {"street": TEXT, "city": TEXT}, "required": ["street"]}
START = document(
    {
        "/pets": {
            "get": operation("listPets", parameter("limit", schema={"type": "integer", "maximum": 100})),
            "post": operation(
                "createPet",
                body={"type": "object", "properties": {"name": TEXT, "home": ADDRESS}, "required": ["name"]},
                summary="Create a pet",
            ),
        },
        "/pets/{id}": {"get": operation("getPet", parameter("id", "path", required=True))},
    }
)


class Story:
    """A project, its document, and each change of either."""

    def __init__(self, folder: Path) -> None:
        (folder / "project").mkdir()
        self.project, self.place = importing.project(folder / "project"), folder / "pets.json"
        self.document = copy.deepcopy(START)
        self.run("--all")

    def run(self, *options: str) -> importing.Imported:
        self.place.write_text(json.dumps(self.document))
        return importing.run(self.project, self.place, *options)

    @property
    def file(self) -> Path:
        return importing.tools(self.project) / "pets.py"

    @property
    def text(self) -> str:
        return self.file.read_text()

    def edit(self, old: str, new: str) -> None:
        assert old in self.text
        self.file.write_text(self.text.replace(old, new))

    def operation(self, place: str, method: str) -> Document:
        found: Document = self.document["paths"][place][method]
        return found

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in importing.tools(self.project).iterdir()}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def lines(said: str, word: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(word)]


def test_without_a_change_nothing_is_said_or_written(story: Story) -> None:
    before = story.files()
    done = story.run()
    assert (done.code, done.said.splitlines()[1:]) == (0, [])
    assert story.files() == before


def test_the_same_document_gives_the_same_files(story: Story, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = importing.project(tmp_path / "other")
    importing.run(other, story.place, "--all")
    assert {path.name: path.read_bytes() for path in importing.tools(other).iterdir()} == story.files()


def test_a_new_operation_is_appended_and_additive(story: Story) -> None:
    before = story.text
    story.document["paths"]["/pets/{id}"]["delete"] = operation("deletePet", parameter("id", "path", required=True))
    done = story.run()
    assert (done.code, lines(done.said, "new")) == (10, ["new      delete_pet: in tools/pets.py"])
    assert story.text.startswith(before)
    assert "async def delete_pet(" in story.text
    assert story.run().code == 0


def test_a_required_parameter_is_breaking(story: Story) -> None:
    story.operation("/pets", "get")["parameters"].append(parameter("country", required=True))
    done = story.run()
    assert done.code == 20
    assert "BREAKING query.country is new and required" in done.said
    assert "country: str" in story.text


def test_an_optional_parameter_is_additive(story: Story) -> None:
    story.operation("/pets", "get")["parameters"].append(parameter("country"))
    done = story.run()
    assert (done.code, "ADDITIVE query.country is new" in done.said) == (10, True)


def test_words_alone_are_written_too(story: Story) -> None:
    story.operation("/pets", "post")["summary"] = "Register a pet"
    done = story.run()
    assert (done.code, "words only" in done.said) == (10, True)
    assert '@api.changes("Register a pet")' in story.text


def test_words_of_a_member_are_written_too(story: Story) -> None:
    home(story)["properties"]["street"] = {**TEXT, "description": "With its number"}
    done = story.run()
    assert (done.code, "words only" in done.said) == (10, True)
    assert 'street: Required[Annotated[str, Field(description="With its number")]]' in story.text


def test_a_comment_keeps_a_function_as_it_is(story: Story) -> None:
    story.edit('"""List pets."""', '"""List pets."""  # ours')
    before = story.text
    story.operation("/pets", "get")["parameters"].append(parameter("country", required=True))
    done = story.run()
    assert story.text == before
    assert done.code == 20
    assert "edited   list_pets: left as it is" in done.said
    assert "BREAKING query.country is new and required" in done.said
    assert "country: str" in done.said
    assert '-    """List pets."""  # ours' in done.said


@pytest.mark.parametrize(
    "edit",
    [
        ('"""Create a pet."""', '"""Register a pet with us."""'),
        ("name: str", "name: Annotated[str, Field(max_length=9)]"),
        ('"POST"', '"PUT"'),
        ('@api.changes("Create a pet")', '@api.changes("Create a pet", destroys=False)'),
    ],
    ids=["words", "type", "request", "hints"],
)
def test_an_edit_is_never_overwritten(story: Story, edit: tuple[str, str]) -> None:
    story.edit(*edit)
    before = story.text
    story.operation("/pets", "post")["requestBody"]["content"]["application/json"]["schema"]["properties"]["tag"] = TEXT
    done = story.run()
    assert (story.text, done.code) == (before, 10)
    assert "edited   create_pet" in done.said


def test_a_change_of_an_edited_function_is_told_once(story: Story) -> None:
    story.edit('"""List pets."""', '"""List pets."""  # ours')
    story.operation("/pets", "get")["parameters"].append(parameter("country", required=True))
    assert [story.run().code, story.run().code] == [20, 0]


def test_a_formatter_edits_nothing(story: Story) -> None:
    (story.project / "pyproject.toml").write_text(
        '[tool.ruff]\nline-length = 60\n[tool.ruff.format]\nquote-style = "single"\n'
    )
    subprocess.run([Path(sys.executable).with_name("ruff"), "format", "-q", "."], cwd=story.project, check=True)
    assert "'POST'" in story.text
    story.operation("/pets", "get")["parameters"].append(parameter("country"))
    done = story.run()
    assert "changed  list_pets: written again; you had not edited it" in done.said
    assert "country: str | None = None" in story.text
    assert "'GET'" in story.text


def test_everything_around_a_function_stays(story: Story) -> None:
    story.edit("@api.changes", "# A comment of ours.\nOURS = 1\n\n\n@api.changes")
    story.file.write_text(story.text + "\n\ndef ours() -> int:\n    return OURS\n")
    story.operation("/pets", "get")["parameters"].append(parameter("country"))
    story.run()
    assert "# A comment of ours.\nOURS = 1\n" in story.text
    assert story.text.endswith("def ours() -> int:\n    return OURS\n")


def test_line_ends_stay_as_they_are(story: Story) -> None:
    story.file.write_bytes(b"\xef\xbb\xbf" + story.file.read_bytes().replace(b"\n", b"\r\n"))
    story.operation("/pets", "get")["parameters"].append(parameter("country"))
    assert story.run().code == 10
    content = story.file.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == content.count(b"\n") > 20
    assert b"country" in content


def test_a_removed_operation_is_told_until_its_function_is_gone(story: Story) -> None:
    del story.document["paths"]["/pets/{id}"]
    for _ in range(2):
        done = story.run()
        assert (done.code, len(lines(done.said, "removed  get_pet: BREAKING"))) == (20, 1)
        assert "async def get_pet(" in story.text
    story.file.write_text(story.text[: story.text.index('@api.reads("Get pet")')])
    done = story.run()
    assert (done.code, done.said.splitlines()[1:]) == (0, [])
    assert "getPet" not in story.files()["pets.import.json"].decode()


def test_a_function_that_its_owner_deleted_stays_deleted(story: Story) -> None:
    story.file.write_text(story.text[: story.text.index('@api.reads("Get pet")')])
    done = story.run()
    assert (done.code, lines(done.said, "deleted")) == (0, ["deleted  get_pet: yours to leave out"])
    assert "async def get_pet(" not in story.text


def test_a_file_that_its_owner_deleted_stays_deleted(story: Story) -> None:
    story.file.unlink()
    done = story.run()
    assert (done.code, len(lines(done.said, "deleted"))) == (0, 3)
    assert not story.file.exists()


def test_a_deleted_file_comes_back_with_what_is_new_alone(story: Story) -> None:
    story.file.unlink()
    story.document["paths"]["/pets/{id}"]["delete"] = operation("deletePet", parameter("id", "path", required=True))
    done = story.run()
    assert (done.code, lines(done.said, "new")) == (10, ["new      tools/pets.py: delete_pet"])
    assert "async def delete_pet(" in story.text
    assert story.text.count("async def ") == 1
    assert "class " not in story.text


def test_a_tool_stays_where_it_is_when_its_tag_changes(story: Story) -> None:
    before = story.text
    story.operation("/pets/{id}", "get")["tags"] = ["animals"]
    done = story.run()
    assert (done.code, done.said.splitlines()[1:], story.text) == (0, [], before)
    story.document["paths"]["/animals"] = {"get": operation("listAnimals", tag="animals")}
    assert "new      tools/animals.py: list_animals" in story.run("--tag", "animals").said
    assert story.text == before


def test_a_function_that_moved_is_left_where_it_is(story: Story) -> None:
    start = story.text.index('@api.reads("Get pet")')
    moved = importing.tools(story.project) / "moved.py"
    moved.write_text(f"from ..core.source import api\n\n\n{story.text[start:]}")
    story.file.write_text(story.text[:start])
    assert story.run().code == 0
    story.operation("/pets/{id}", "get")["parameters"].append(parameter("deep"))
    done = story.run()
    assert (done.code, "edited   get_pet: it is in tools/moved.py now" in done.said) == (10, True)


def test_a_renamed_operation_is_a_removal_and_an_addition(story: Story) -> None:
    story.operation("/pets/{id}", "get")["operationId"] = "readPet"
    done = story.run()
    assert done.code == 20
    assert lines(done.said, "new") == ["new      read_pet: in tools/pets.py"]
    assert len(lines(done.said, "removed  get_pet")) == 1


def test_a_tool_keeps_its_name_whatever_comes_before_it(story: Story) -> None:
    story.document["paths"] = {"/a": {"get": operation("get_pet")}, **story.document["paths"]}
    story.run()
    assert 'api.path("/pets/{id}", id=id)' in story.text.partition("async def get_pet(")[2].partition("async def")[0]
    assert "async def get_pet_2(" in story.text


# --- classes


def home(story: Story) -> Document:
    schema = story.operation("/pets", "post")["requestBody"]["content"]["application/json"]["schema"]
    found: Document = schema["properties"]["home"]
    return found


def test_a_changed_class_is_written_again(story: Story) -> None:
    home(story)["properties"]["zip"] = TEXT
    home(story)["required"] = ["street", "zip"]
    done = story.run()
    assert (done.code, "BREAKING body.home.zip is new and required" in done.said) == (20, True)
    assert "zip: Required[str]" in story.text
    assert story.text.count("class CreatePetHome(") == 1
    assert story.run().code == 0


def test_an_edited_class_is_left_and_shown(story: Story) -> None:
    story.edit("    city: str\n", "    city: str  # ours\n")
    before = story.text
    home(story)["properties"]["zip"] = TEXT
    done = story.run()
    assert (done.code, story.text) == (10, before)
    assert "edited   class CreatePetHome: left as it is" in done.said
    assert "+    zip: str" in done.said
    assert story.run().code == 0


def test_a_class_that_is_new_stands_before_what_uses_it(story: Story) -> None:
    owner = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}
    story.operation("/pets", "get")["parameters"].append(parameter("owner", style="deepObject", schema=owner))
    assert story.run().code == 10
    assert story.text.index("class ListPetsOwner(") < story.text.index("async def list_pets(")
    compile(story.text, "pets.py", "exec")


def test_classes_keep_their_names_when_others_come(story: Story) -> None:
    schemas = {"Tag": {"type": "object", "properties": {"a": TEXT}}}
    story.document["components"] = {"schemas": schemas}
    home(story)["properties"]["tag"] = {"$ref": "#/components/schemas/Tag"}
    story.run()
    first = story.text.partition("class Tag(")[2].partition("\n\n")[0]
    schemas["tag"] = {"type": "object", "properties": {"b": TEXT}}
    story.document["paths"] = {
        "/a": {
            "post": operation(
                "first", body={"type": "object", "properties": {"t": {"$ref": "#/components/schemas/tag"}}}
            )
        },
        **story.document["paths"],
    }
    story.run()
    assert story.text.partition("class Tag(")[2].partition("\n\n")[0] == first
    assert "class Tag2(" in story.text


def test_imports_follow_the_functions(story: Story) -> None:
    assert "with_config" in story.text
    del story.operation("/pets", "post")["requestBody"]["content"]["application/json"]["schema"]["properties"]["home"]
    story.operation("/pets", "get")["parameters"].append(parameter("kind", schema={"enum": ["a", "b"]}))
    story.run()
    assert "Literal" in story.text
    done = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--select", "F,I", "."],
        cwd=story.project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


# --- verdicts


VERDICTS: dict[str, tuple[Callable[[Story], Any], int, str]] = {
    "a narrower limit": (
        lambda s: s.operation("/pets", "get")["parameters"][0]["schema"].update(maximum=50),
        20,
        "BREAKING query.limit is at most 50, before at most 100",
    ),
    "a wider limit": (
        lambda s: s.operation("/pets", "get")["parameters"][0]["schema"].update(maximum=500),
        10,
        "ADDITIVE query.limit is at most 500, before at most 100",
    ),
    "no limit": (
        lambda s: s.operation("/pets", "get")["parameters"][0]["schema"].pop("maximum"),
        10,
        "ADDITIVE query.limit is without this limit, before at most 100",
    ),
    "a wider type": (
        lambda s: s.operation("/pets", "get")["parameters"][0].update(
            schema={"type": ["integer", "string"], "maximum": 100}
        ),
        10,
        "ADDITIVE query.limit is a whole number or text, not a whole number",
    ),
    "another type": (
        lambda s: s.operation("/pets", "get")["parameters"][0].update(schema={"type": "boolean"}),
        20,
        "BREAKING query.limit is true or false, not a whole number",
    ),
    "a parameter that is gone": (
        lambda s: s.operation("/pets", "get")["parameters"].clear(),
        20,
        "BREAKING query.limit is gone",
    ),
    "what was required": (
        lambda s: home(s).update(required=[]),
        10,
        "ADDITIVE body.home.street is optional now",
    ),
    "another path": (
        lambda s: s.document["paths"].update({"/animals/{id}": s.document["paths"].pop("/pets/{id}")}),
        20,
        "BREAKING the path is /animals/{id}, not /pets/{id}",
    ),
    "an object that is closed": (
        lambda s: home(s).update(additionalProperties=False),
        20,
        "BREAKING body.home takes no other members now",
    ),
    "an enumeration for a text": (
        lambda s: home(s)["properties"].update(city={"enum": ["Rome"]}),
        20,
        'BREAKING body.home.city is "Rome", not text',
    ),
}


@pytest.mark.parametrize(("change", "code", "said"), VERDICTS.values(), ids=VERDICTS)
def test_the_verdict_on(story: Story, change: Callable[[Story], Any], code: int, said: str) -> None:
    change(story)
    dry = story.run("--dry-run")
    done = story.run()
    assert (dry.code, done.code) == (code, code)
    assert said in done.said
    assert dry.said == f"{done.said}Nothing was written (--dry-run).\n"


def test_more_and_fewer_values_of_an_enumeration(story: Story) -> None:
    home(story)["properties"]["city"] = {"enum": ["Rome", "Oslo"]}
    story.run()
    home(story)["properties"]["city"] = {"enum": ["Rome", "Oslo", "Bern"]}
    assert 'ADDITIVE body.home.city may be "Bern"' in story.run().said
    home(story)["properties"]["city"] = {"enum": ["Bern"]}
    assert 'BREAKING body.home.city is no longer "Rome", "Oslo"' in story.run().said


def test_an_operation_that_can_no_longer_be_a_tool_is_breaking(story: Story) -> None:
    story.operation("/pets", "post")["requestBody"]["content"] = {"image/png": {}}
    done = story.run()
    assert (done.code, lines(done.said, "refused")) == (20, ["refused  create_pet: a body of image/png"])
    assert "async def create_pet(" in story.text


def test_what_was_refused_before_is_not_told_again(story: Story) -> None:
    story.document["paths"]["/photo"] = {"post": operation("sendPhoto", requestBody={"content": {"image/png": {}}})}
    assert len(lines(story.run().said, "refused  sendPhoto: a body of image/png")) == 1
    assert story.run().said.splitlines()[1:] == []


def test_a_dry_run_writes_nothing(story: Story) -> None:
    before = story.files()
    story.operation("/pets", "get")["parameters"].append(parameter("country"))
    story.run("--dry-run")
    assert story.files() == before


def test_a_change_of_the_generator_alone_rewrites_nothing(story: Story) -> None:
    """As after an update of the template, whose importer lays tools out in another way."""
    record = importing.tools(story.project) / "pets.import.json"
    known = json.loads(record.read_text())
    before = story.text
    known["tools"]["listPets"]["mark"] = "0" * 16
    record.write_text(json.dumps(known))
    assert (story.run().code, story.text) == (0, before)


def test_two_documents_do_not_disturb_each_other(story: Story, tmp_path: Path) -> None:
    other = document({"/pets": {"get": operation("listPets")}})
    other["info"]["title"] = "Zoo"
    place = importing.written(tmp_path, other, "zoo.json")
    done = importing.run(story.project, place, "--all")
    assert (done.code, "removed" in done.said) == (0, False)
    assert "async def list_pets_2(" in importing.source(story.project, "pets_2")
    assert story.run().code == 0
    assert "pets, pets_2)" in importing.source(story.project, "__init__")


def test_a_document_of_the_same_name_is_not_taken_for_another(story: Story, tmp_path: Path) -> None:
    other = document({"/cars": {"get": operation("listCars")}})
    other["info"]["title"] = "Cars"
    (tmp_path / "other").mkdir()
    place = importing.written(tmp_path / "other", other)
    done = importing.run(story.project, place, "--all", check=False)
    assert (done.code, "Give this one a name with --name" in done.errors) == (2, True)
    assert importing.run(story.project, place, "--all", "--name", "cars").code == 0
    assert {"pets.import.json", "cars.import.json"} <= story.files().keys()


# --- the file that registers tools


@pytest.mark.parametrize("edited", [False, True], ids=["as it was", "edited"])
def test_the_first_import_deletes_the_example_unless_it_is_edited(story: Story, tmp_path: Path, edited: bool) -> None:
    (tmp_path / "fresh").mkdir()
    project = importing.project(tmp_path / "fresh")
    shutil.copytree(
        rendering.group("openapi") / "src/{{ package_name }}/tools", importing.tools(project), dirs_exist_ok=True
    )
    example = importing.tools(project) / "example.py"
    if edited:
        example.write_text(example.read_text() + "\n\ndef ours() -> None:\n    pass\n")
    assert importing.run(project, story.place, "--all").code == 0
    assert example.exists() is edited
    assert ("from . import example, pets" in importing.source(project, "__init__")) is edited


def test_new_modules_are_registered(story: Story) -> None:
    story.document["paths"]["/owners"] = {"get": operation("listOwners", tag="Owners")}
    story.run("--tag", "Owners")
    text = importing.source(story.project, "__init__")
    assert "from . import owners, pets\n" in text
    assert "    api.add_tools(server, pets, owners)\n" in text


def test_what_its_owner_wrote_there_stays(story: Story) -> None:
    path = importing.tools(story.project) / "__init__.py"
    path.write_text(
        path.read_text().replace("    api.add_tools", "    # ours\n    api.add_tools") + "    server.tool(len)\n"
    )
    story.document["paths"]["/owners"] = {"get": operation("listOwners", tag="Owners")}
    story.run("--tag", "Owners")
    assert "    # ours\n    api.add_tools(server, pets, owners)\n    server.tool(len)\n" in path.read_text()


def test_where_modules_cannot_be_registered_the_line_is_said(story: Story) -> None:
    path = importing.tools(story.project) / "__init__.py"
    path.write_text(path.read_text().replace("api.add_tools(server, pets)", "ours(pets)"))
    before = path.read_text()
    story.document["paths"]["/owners"] = {"get": operation("listOwners", tag="Owners")}
    done = story.run("--tag", "Owners")
    assert "to do    tools/__init__.py: add to register: api.add_tools(server, owners)" in done.said
    assert path.read_text() == before
