"""The bridge: a process that serves one native application over its pipes.

`program` is the console script `hxgrid-bridge`; `frames` says what travels; `server` turns what the
application wants into calls of a `Session`.
"""
