"""What travels between the programs: message catalogue, framing, size limits, versions.

No sockets, no clock and no decisions live here: bytes go in, messages come out, and the other way
round.
"""
