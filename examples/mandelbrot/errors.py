"""What can be wrong with what was asked for."""


class JobError(Exception):
    """Something that was asked for cannot be done; the text is one sentence for a person."""
