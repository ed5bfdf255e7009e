"""The registry: which agents there are, and whom to tell.

No sockets, threads, clock, chance or files: time is the argument `now` (monotonic seconds).
"""
