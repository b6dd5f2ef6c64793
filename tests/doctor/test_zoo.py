"""Every planted fault is named by its probe, with its cure and exit status; nothing is found at healthy servers."""

from collections import Counter
from pathlib import Path
from pickle import dumps, loads

import pytest

from ..conftest import once
from .visiting import ROWS, Visit, visit_all


@pytest.fixture(scope="module")
def visited(shared: Path) -> dict[str, Visit]:
    """Every visit, made once for all workers."""
    kept = once(shared / "doctor" / "visits", lambda: (shared / "doctor" / "visits").write_bytes(dumps(visit_all())))
    visits: dict[str, Visit] = loads(kept.read_bytes())
    return visits


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_is_named_with_its_cure(visited: dict[str, Visit], name: str) -> None:
    row, visit = ROWS[name], visited[name]
    assert visit.probes == [row["probe"]]
    [finding] = visit.diagnosis.findings
    assert row["cure"] in finding.cure
    assert visit.status == row["exit"]
    assert finding.level == ("fail" if row["exit"] == 1 else "warn")
    everybody = list(visit.verdicts) if row["exit"] == 1 else []
    assert [platform for platform, value in visit.verdicts.items() if value == "no"] == row.get("no", everybody)


def test_a_certificate_that_nobody_trusts_is_looked_at_again(visited: dict[str, Visit]) -> None:
    assert visited["tls-private-expired"].probes == ["tls-authority", "tls-expired"]


def test_nothing_is_found_at_a_healthy_server(visited: dict[str, Visit]) -> None:
    healthy = {name: visit for name, visit in visited.items() if name.startswith("healthy")}
    assert len(healthy) == 16
    for name, visit in healthy.items():
        assert visit.probes == [], name
        assert visit.status == 0
        assert (visit.verdicts["duvo"], visit.verdicts["vscode"]) == ("yes", "yes")


def test_registrations_are_deleted_and_tokens_revoked(visited: dict[str, Visit]) -> None:
    for name, visit in visited.items():
        assert not any("stay registered" in note for note in visit.diagnosis.notes), name


def test_the_faults_that_were_asked_for_come_first() -> None:
    """All of the list but the server `lazy`, which is healthy."""
    first = Counter(row["layer"] for row in [*ROWS.values()][:54])
    asked = {
        "network": 7,
        "edge": 6,
        "transport": 8,
        "versions": 3,
        "metadata": 7,
        "issuer": 10,
        "tokens": 3,
        "tools": 4,
    }
    assert first == {**asked, "hostile": 6}
