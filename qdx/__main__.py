"""`python -m qdx` is `qdx`."""

from qdx.cli.app import main

if __name__ == "__main__":
    main()
