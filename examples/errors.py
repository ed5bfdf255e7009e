"""What can be wrong with what an example was asked for."""

from __future__ import annotations


class JobError(Exception):
    """The job cannot be done as asked for; the text is a sentence for the person who asked."""
