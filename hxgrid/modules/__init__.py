"""Module sets: the files of task code that travel together, by platform.

Manifests, collecting files on the application's side and unpacking them safely on the agent's.
Nothing here imports what is inside a module set.
"""

from hxgrid.modules.sets import ModuleSet

__all__ = ["ModuleSet"]
