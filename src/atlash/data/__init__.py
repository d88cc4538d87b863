"""Cells in: genes matched by name, scale detected, chunks of normalised cells."""
