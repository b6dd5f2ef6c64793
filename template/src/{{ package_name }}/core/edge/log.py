"""Logging: one handler, whose records have a limited length and whose lines no caller can forge."""

import logging
import re

LONGEST = 4_000  # characters of one record, including its traceback
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MARGIN = "\n  | "  # before each line of a traceback, so that text from a caller never begins a line

# Line breaks and other control characters, marks that change the direction of text, and lone surrogates.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Lines(logging.Formatter):
    """Escapes control characters, and shortens long records in the middle: the end of a traceback matters most."""

    def format(self, record: logging.LogRecord) -> str:
        begin = logging.Formatter.format(self, stripped(record, cut(record.getMessage(), LONGEST)))
        text = escaped(begin)
        if record.exc_info and record.exc_info[0]:
            trace = cut(self.formatException(record.exc_info), LONGEST)
            text += MARGIN + MARGIN.join(map(escaped, trace.split("\n")))
        return cut(text, LONGEST)


def stripped(record: logging.LogRecord, message: str) -> logging.LogRecord:
    """A copy of the record that has only its message, without a traceback."""
    copy = logging.makeLogRecord(record.__dict__)
    copy.msg, copy.args, copy.exc_info, copy.exc_text, copy.stack_info = message, (), None, None, None
    return copy


def escaped(text: str) -> str:
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    note = f" … ({len(text):,} characters) … "
    head = (most - len(note)) // 2
    return text[:head] + note + text[len(text) - (most - len(note) - head) :]


def configure(level: str) -> None:
    """Send all logs to standard error. Below INFO, only the connector's own loggers and its package's write.

    Libraries write arguments, results, headers and bodies there.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(FORMAT))
    logging.basicConfig(level=max(logging.INFO, logging.getLevelNamesMapping()[level]), handlers=[handler])
    logging.captureWarnings(True)
    for name in ("connector", __name__.partition(".")[0]):
        logging.getLogger(name).setLevel(level)
    for name in ("httpx2", "httpcore2", "uvicorn.access", "mcp.server.streamable_http"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below: URLs, a line for each request
    logging.getLogger("mcp.server.mcpserver.server").addFilter(lambda record: record.levelno > logging.INFO)
    logging.getLogger("mcp.server.transport_security").setLevel(logging.ERROR)  # Observe logs it
