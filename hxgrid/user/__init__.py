"""The application's side: connecting, sessions, tasks, the executor.

`hxgrid.user.core` decides, the driver owns sockets and the loop, and the classes that an
application sees put commands on the driver's queue.
"""
