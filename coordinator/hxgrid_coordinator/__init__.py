"""The coordinator: lets users find agents, and never sees a task.

Registry core, driver, status and command line. Losing the coordinator never stops a running
session.
"""
