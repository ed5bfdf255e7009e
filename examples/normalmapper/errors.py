"""What can be wrong with the files and options of a job."""

from __future__ import annotations


class JobError(Exception):
    """The job cannot be done as asked for; the text is a sentence for the person who asked."""
