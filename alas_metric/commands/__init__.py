"""The ``alas`` command: one file a command."""
