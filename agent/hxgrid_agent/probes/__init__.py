"""What the agent sees of its computer: processors, memory, and what others use of them.

One file per system where systems differ. Every question may go unanswered: a probe that fails says
so by its return value and never by an exception.
"""
