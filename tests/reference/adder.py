"""A process that adds cells to a reference, one at a time, under names of its own.

Run as ``python adder.py REFERENCE CELLS PREFIX N``; it begins when its standard input is closed.
"""

import sys

import anndata as ad

from atlash.reference import Reference

path, file, prefix, n = sys.argv[1:]
cells = ad.read_h5ad(file)
loaded = Reference.load(path)
sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.read()
for place in range(int(n)):
    one = cells[[place]].copy()
    one.obs_names = [f"{prefix}{place}"]
    loaded.add(one, "cell_type", n_threads=1, progress=False)
