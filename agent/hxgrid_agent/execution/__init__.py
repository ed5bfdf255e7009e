"""Task processes: starting them ahead, feeding them, freezing and ending them.

What differs between operating systems is one file per system.
"""
