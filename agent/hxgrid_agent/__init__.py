"""The agent: lends one computer's idle processors.

The core decides on admission and suspension, the driver owns the sockets, and task code runs only
in the child processes of `execution`. Scheduling across agents is the user's business.
"""
