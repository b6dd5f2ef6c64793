"""`make page`: draw docs/page.png, the page that a connector shows in a browser, as Debian's Chromium shows it.

Fonts differ between machines, so no test compares the picture; `tests/running/test_page.py` looks at the page itself.
"""

import shutil
import tempfile
from pathlib import Path

from ..lib import rendering
from ..lib.serving import look, serving

FILE = rendering.ROOT / "docs/page.png"
HOST = "crm.example.com"
WIDTH = 900
ANSWERS = {
    "project_description": "Finds and updates customers in Acme's CRM.",
    "auth_mode": "none",
    "hosting": "compose",
    "source": "rest-api",
    "ci": "none",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        template = rendering.snapshot(place / "template", "v0.0.0")
        project = rendering.render(template, place / "project", ANSWERS)
        rendering.environment(project, place / "site")
        env = rendering.variables(project, place / "site")
        with serving(project, env, PUBLIC_URL=f"https://{HOST}") as connector:
            at = connector.origin.removeprefix("http://")
            look(f"http://{HOST}/", at=at, widths=[WIDTH], pictures=folder)
        shutil.copyfile(place / f"{WIDTH}-light.png", FILE)


if __name__ == "__main__":
    main()
