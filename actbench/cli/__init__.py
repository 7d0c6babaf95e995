"""The command line: options, verbs by subject, errors to exit codes, completion."""
