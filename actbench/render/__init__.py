"""A table or a page in a format: terminal, Markdown, LaTeX, HTML. Knows no domain."""
