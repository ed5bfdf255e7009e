"""Admission, slots, sharing between sessions and suspension: facts in, orders out.

No sockets, threads, clock, chance or files: time is the argument `now` (monotonic seconds).
"""
