"""Graphs of cells: buckets, neighbours, shared neighbours, partitions. numpy, numba and igraph."""
