"""The `journeyd` command: a file per command."""
