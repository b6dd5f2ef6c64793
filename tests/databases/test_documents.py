"""What docs/database.md of a connector says: its tool works, and its grants make a role that the connector takes."""

import re
import shutil
from pathlib import Path

import pytest

from ..lib import rendering
from ..lib.databases import PASSWORD, Server
from ..lib.rendering import Rendered, recorded, run
from ..lib.serving import serving
from .calling import call
from .conftest import ANSWERS, Check

pytestmark = pytest.mark.databases


def blocks(project: Path, language: str) -> list[str]:
    text = (project / "docs/database.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_tool_of_the_document_reads_over_the_connector_s_connections(rendered: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(rendered(ANSWERS), tmp_path / "project")
    [tool] = blocks(project, "python")
    tools = project / "src" / recorded(project)["package_name"] / "tools"
    (tools / "orders.py").write_text(f'"""Orders."""\n\n{tool}')
    chosen = (tools / "__init__.py").read_text()
    chosen = chosen.replace("search_rows\n\n", "search_rows\nfrom .orders import orders_of_customer\n\n", 1)
    chosen += '    server.add_tool(orders_of_customer, title="Count orders", annotations=READS)\n'
    (tools / "__init__.py").write_text(chosen)
    env = rendering.environment(project, tmp_path / "site")
    for check in (
        "ruff check --no-cache .",
        "ruff format --no-cache --check .",
        f"mypy --cache-dir={tmp_path / 'mypy'}",
    ):
        done = run(project, env, *check.split())
        assert done.returncode == 0, done.stdout + done.stderr
    with serving(project, env) as connector:
        assert call(connector, "orders_of_customer", customer_id=1) == (False, "2")
        assert call(connector, "search_rows", table="orders")[0] is False


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_the_grants_of_the_document_are_those_that_the_connector_takes(
    request: pytest.FixtureRequest, rendered: Rendered, check: Check, engine: str
) -> None:
    server: Server = request.getfixturevalue(engine)
    first, revoke, second = blocks(rendered(ANSWERS), "sql")
    before = "CREATE TABLE orders (id integer PRIMARY KEY);"
    statements = first + revoke if engine == "postgresql" else second.replace("crm.", "shop.")
    whom = "shown_in_docs" if engine == "postgresql" else "shown_in_docs@'%'"
    statements = re.sub(r"\breader(@'%')?", whom, statements).replace("choose one", PASSWORD)
    server.run(f"{before}\n{statements}")
    try:
        assert check(database_url=server.url("shown_in_docs"), database_query=True) is None
    finally:
        end = "DROP OWNED BY shown_in_docs; DROP ROLE shown_in_docs" if engine == "postgresql" else f"DROP USER {whom}"
        server.run(f"{end}; DROP TABLE orders;")
