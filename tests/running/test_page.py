"""The page of rendered connectors in Chromium: on a phone and a desktop, in light and dark, as axe reads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..lib import rendering
from ..lib.rendering import Installed
from ..lib.serving import Running, look, serving

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = [390, 1280]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed; in Debian: apt-get install chromium"
    ),
]


def faults(seen: dict[str, Any], connector: Running) -> set[str]:
    """What is wrong, in a word each."""
    views = seen["views"]
    found = {problem.split(":")[0] for view in views for problem in [*view["found"], *view["unsure"]]}
    found |= {"wide"} if any(view["wide"] for view in views) else set()
    found |= {"active"} if any(view["active"] for view in views) else set()
    found |= {"complaint"} if seen["complaints"] else set()
    return found | {url for url in seen["requests"] if not url.startswith(f"{connector.origin}/")}


@pytest.fixture(scope="module")
def connector(installed: Installed, request: pytest.FixtureRequest) -> Iterator[Running]:
    answers = {"auth_mode": request.param, "hosting": "compose", "source": "blank", "ci": "none"}
    with serving(*installed(answers)) as connector:
        yield connector


@pytest.mark.parametrize("connector", rendering.choices("auth_mode"), indirect=True)
def test_it_can_be_read_by_everyone_without_a_script(connector: Running, tmp_path: Path) -> None:
    seen = look(f"{connector.origin}/", widths=WIDTHS, pictures=str(tmp_path))
    assert faults(seen, connector) == set()
    views = {(view["width"], view["scheme"]): view for view in seen["views"]}
    assert len(views) == 4
    assert {view["status"] for view in views.values()} == {200}
    assert len({view["background"] for view in views.values()}) == 2, "light and dark"
    assert all(f"{connector.origin}/mcp" in view["text"] for view in views.values())
    assert len(list(tmp_path.glob("*-*.png"))) == 4


@pytest.mark.parametrize("connector", ["none"], indirect=True)
@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        ('<main><img src="/favicon.svg"></main>', "image-alt"),
        ('<main><p><font color="#cccccc">pale</font></p></main>', "color-contrast"),
        (f"<main><pre>{'wide' * 200}</pre></main>", "wide"),
        ('<main><form><input aria-label="Key"></form></main>', "active"),
        ('<main><p style="color: red">red</p></main>', "complaint"),
        ('<main><img alt="" src="http://127.0.0.2/pixel.gif"></main>', "complaint"),
    ],
)
def test_a_planted_error_is_found(connector: Running, spoil: str, fault: str) -> None:
    assert fault in faults(look(f"{connector.origin}/", widths=[390], spoil=spoil), connector)
