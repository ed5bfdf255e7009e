"""The command line `hxgrid`: arguments, tables, progress.

It changes no state of its own. The commands of the roles come in by the entry-point group
`hxgrid.commands`, because this room imports neither coordinator nor agent.
"""
