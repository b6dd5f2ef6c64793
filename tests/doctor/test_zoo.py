"""Every planted fault is named by its probe, with its cure and exit status; nothing is found at healthy servers."""

import pytest

from .visiting import ROWS, Visit, visit_all

HEALTHY = ("none", "key", "oauth", "oauth public", "lazy")


@pytest.fixture(scope="module")
def visited() -> dict[str, Visit]:
    return visit_all(HEALTHY)


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_is_named_with_its_cure(visited: dict[str, Visit], name: str) -> None:
    row, visit = ROWS[name], visited[name]
    assert visit.probes == [row["probe"]]
    [finding] = visit.diagnosis.findings
    assert row["cure"] in finding.cure
    assert visit.status == row["exit"]
    assert finding.level == ("fail" if row["exit"] else "warn")
    everybody = list(visit.verdicts) if row["exit"] else []
    assert [platform for platform, value in visit.verdicts.items() if value == "no"] == row.get("no", everybody)


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("credential", ["", " with token"])
def test_nothing_is_found_at_a_healthy_server(visited: dict[str, Visit], name: str, credential: str) -> None:
    visit = visited[f"healthy {name}{credential}"]
    assert visit.diagnosis.findings == []
    assert visit.status == 0
    assert visit.verdicts["duvo"] == "yes"


def test_the_first_forty_are_there() -> None:
    assert len(ROWS) >= 40
