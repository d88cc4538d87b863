"""``python -m atlash``: the command line."""

from atlash.cli.app import main

if __name__ == "__main__":
    main()
