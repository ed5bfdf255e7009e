"""What the computer tells: processors, memory, its owner's activity, addresses.

What differs between operating systems is one file per system.
"""
