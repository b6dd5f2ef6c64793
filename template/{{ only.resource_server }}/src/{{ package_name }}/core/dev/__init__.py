"""Stand-ins for `dev` and the tests, on this machine alone. They never reach the image."""
