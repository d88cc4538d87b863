"""The command line: ``atlash build | annotate | info | demo``."""
