"""Decides which agent runs which attempt: facts in, orders out.

No sockets, threads, clock, chance or files: time is the argument `now` (monotonic seconds).
"""
