"""The result folder on disk: files, lock, journal, plan, and reading it back."""
