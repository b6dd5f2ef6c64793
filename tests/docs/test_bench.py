"""What `make bench` says about its figures, and what it draws of them."""

from collections import defaultdict
from xml.etree import ElementTree

from ..lib.wire import VERSIONS
from ..programs.bench import COMPARED, GOALS, WHOLE, rate, rows, table, used
from ..programs.bench_picture import SHOWN, draw


def samples(ours: float) -> defaultdict[str, list[float]]:
    """Three rounds in which a connector with everything on answers so many times the calls of every other server."""
    made: defaultdict[str, list[float]] = defaultdict(list)
    for version in VERSIONS:
        for name in COMPARED:
            made[rate(name, version)] = [(ours if name == WHOLE else 1) * drift for drift in (100, 50, 200)]
            made[used(name, version)] = [1.0] * 3
            made[f"tail, {version}: {name}"] = [1.5] * 3
    return made


def test_a_goal_is_met_or_missed_by_the_ratios_of_each_round() -> None:
    fast, slow = rows(samples(ours=4)), rows(samples(ours=0.1))
    against = {row.goal.what: row for row in fast}["all on / bare SDK, calls a second, 2025-11-25"]
    assert (against.ratio, against.low, against.high) == (4, 4, 4)
    assert all(row.goal.met(row.ratio) for row in fast)
    assert "MISSED" in "\n".join(map(str, slow))
    assert "MISSED" not in "\n".join(map(str, fast))


def test_every_server_has_a_line_in_the_table() -> None:
    printed = "\n".join(table(samples(ours=2)))
    assert not [name for name in COMPARED if printed.count(f"\n{name} ") != len(VERSIONS)]


def test_each_goal_has_a_bound() -> None:
    assert not [goal.what for goal in GOALS if (goal.least is None) == (goal.most is None)]


def test_the_picture_shows_each_server_in_both_protocol_versions() -> None:
    drawn = draw(samples(ours=4))
    texts = [text.text for text in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert all(texts.count(name) == 2 for name in SHOWN.values())
    assert texts.count("4.0") == 2
