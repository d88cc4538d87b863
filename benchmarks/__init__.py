"""What atlash claims, runnable: ``python -m benchmarks <name>``.

Nothing in ``src/`` imports this package. Each benchmark prints a table and writes one JSON file to
``benchmarks/results``; ``python -m benchmarks report`` renders those files into
``docs/benchmarks.md``, so that the page never disagrees with the runs.
"""
