"""Files are all written, or none of them."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path


def store(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Write files into a folder, and delete those without content; after an error, it is as it was."""
    with tempfile.TemporaryDirectory(prefix=".import.", dir=folder.parent) as work:
        new, old = Path(work, "new"), Path(work, "old")
        new.mkdir()
        old.mkdir()
        for name, content in files.items():
            if content is not None:
                (new / name).write_bytes(content)
        done: list[str] = []
        try:
            for name, content in files.items():
                if (folder / name).exists():
                    shutil.copy2(folder / name, old / name)
                done.append(name)
                if content is None:
                    (folder / name).unlink(missing_ok=True)
                else:
                    os.replace(new / name, folder / name)
        except OSError:
            for name in done:
                if (old / name).exists():
                    os.replace(old / name, folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)
            raise
