"""What --smoke adds to an experiment's name; cheap to import."""

SMOKE_SUFFIX = "-smoke"
