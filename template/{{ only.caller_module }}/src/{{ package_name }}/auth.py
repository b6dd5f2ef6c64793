"""What tools may import of a caller's credential: the declared headers, while a request is answered."""

from .core.auth.headers import caller_headers as caller_headers
