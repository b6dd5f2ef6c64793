"""`mcp-connector import`: an OpenAPI document becomes tool modules that their owner reads and edits."""
