"""The task's side: TaskAgent, and running one Python task inside a task process.

No sockets other than the pipe to the agent, and no scheduling. Foreign code runs only here.
"""

from hxgrid.tasks.agent import TaskAgent

__all__ = ["TaskAgent"]
