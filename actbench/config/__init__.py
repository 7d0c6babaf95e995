"""An experiment file: from text to an experiment, or every mistake in it; its schema, starter and bundled files."""
