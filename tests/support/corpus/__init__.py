"""Bad experiment files, data files and result folders, each with what is said of it."""
