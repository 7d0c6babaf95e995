"""Where stacks train: in this process, in local workers, or on Ray."""
