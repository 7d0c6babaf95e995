"""`python -m actbench`."""

from actbench.cli.app import main

if __name__ == "__main__":
    main()
