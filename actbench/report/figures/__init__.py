"""Pictures of a result folder: for the page, and as files sized for a paper's column."""
