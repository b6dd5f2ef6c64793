"""Every identity provider with every auth mode that can use it: what is rendered passes its own tests."""

import hashlib
import re
from pathlib import Path

import pytest

from ..conftest import once
from ..lib import rendering
from ..lib.rendering import Rendered
from .test_identity import WORKING

pytestmark = pytest.mark.peers
LOGIN = re.compile(r"core\.auth|oauth|issuer|Settings\(", re.IGNORECASE)


def code(project: Path) -> str:
    """A digest of all that a project's tests depend on, so that the same code is not tested twice."""
    read = {
        name: data
        for name, data in rendering.files(project).items()
        if name.startswith(("src/", "tests/")) or name == "pyproject.toml"
    }
    return hashlib.sha256(repr(sorted(read.items())).encode()).hexdigest()


@pytest.mark.parametrize("pair", WORKING, ids="-".join)
def test_a_render_for_this_provider_passes_its_tests(rendered: Rendered, shared: Path, pair: tuple[str, str]) -> None:
    """Unless its code is what is rendered for any provider, whose tests `test_rendered.py` runs.

    Tests that name nothing of the login depend on no provider.
    """
    mode, provider = pair
    answers = {"auth_mode": mode, "hosting": "compose", "source": "blank", "ci": "none"}
    project = rendered({**answers, "identity_provider": provider})
    if code(project) == code(rendered(answers)):
        return
    site = shared / "pairs" / code(project)

    def test() -> None:
        named = [str(path) for path in (project / "tests").glob("test_*.py") if LOGIN.search(path.read_text())]
        command = ["pytest", "-q", "-p", "no:cacheprovider", *named]
        done = rendering.run(project, rendering.environment(project, site), *command)
        assert done.returncode == 0, done.stdout + done.stderr

    once(site, test)
