"""Run ``python -m serving``: the HTTP application."""

from serving.cli.serve import main

if __name__ == "__main__":
    main()
