"""The command line: one command a file, those that change a reference in ``grow``."""
