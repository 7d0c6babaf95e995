"""How results look: tables and curves for the terminal and for Markdown."""
