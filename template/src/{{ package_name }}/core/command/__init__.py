"""The command, a module for each subcommand."""
