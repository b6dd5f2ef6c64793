"""Code that serves calls of the upstream API."""
