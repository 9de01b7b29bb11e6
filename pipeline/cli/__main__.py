"""`python -m pipeline.cli` is `tunelog`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
