"""The upstream API, which stands behind the tools."""
