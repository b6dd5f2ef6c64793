"""Keys that seal the states of questions to the user. Those in a file are read again when it changes."""

import logging
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState
from pydantic import SecretStr

from ..fields import LEAST, state_keys

logger = logging.getLogger(__name__)

CHECK_EVERY = 1.0  # seconds between two looks at the file


class Sealing:
    """Seals with the first key, and opens with every key: what `RequestStateSecurity` takes as a codec.

    `file` is followed if it is where the keys are from. Without keys, those of this process are made.
    """

    def __init__(self, keys: Sequence[SecretStr], file: Path) -> None:
        given = [key.get_secret_value() for key in keys]
        self.codec = AESGCMRequestStateCodec(given or [new_key()])
        self.file: Path | None = None
        self.stamp = stamp(file)
        with suppress(OSError, ValueError):  # the environment may have other keys
            self.file = file if list(read(file)) == given else None
        self.look_again = 0.0  # monotonic seconds

    def seal(self, payload: bytes) -> str:
        self.follow()
        return self.codec.seal(payload)

    def unseal(self, token: str) -> bytes:
        try:
            return self.codec.unseal(token)
        except InvalidRequestState:
            before, self.look_again = self.codec, 0.0  # another replica may have read a new key already
            self.follow()
            if self.codec is before:
                raise
            return self.codec.unseal(token)

    def follow(self) -> None:
        """Take the keys that are in the file now. While it cannot be used, the keys before stay."""
        if self.file is None or time.monotonic() < self.look_again:
            return
        self.look_again = time.monotonic() + CHECK_EVERY
        if (now := stamp(self.file)) == self.stamp:
            return
        self.stamp = now
        try:
            self.codec = AESGCMRequestStateCodec(read(self.file))
        except (OSError, ValueError) as error:
            why = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else error
            logger.error("%s %s; until it is correct, the keys before stay", self.file, why)
        else:
            logger.info("%s was read again", self.file)


def new_key() -> str:
    return secrets.token_urlsafe(LEAST)


def stamp(file: Path) -> tuple[int, ...]:
    """What changes when the file does; empty while it is missing."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def read(file: Path) -> tuple[str, ...]:
    """The keys in a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It holds no keys, or one that cannot be used; the message says what is wrong.
    """
    try:
        keys = state_keys(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("must be UTF-8 text") from None
    if not keys:
        raise ValueError("must have a key, and is empty")
    return keys
