"""Task processes: starting them ahead, feeding them, freezing and ending them.

`process.TaskProcess` is the agent's end of one, `events` what it reports. `child` is the process
itself; `frames` is what the two say to each other. What differs between operating systems is one
file per system.
"""
