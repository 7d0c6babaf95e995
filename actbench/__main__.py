"""`python -m actbench`."""

from actbench.cli import main

if __name__ == "__main__":
    main()
