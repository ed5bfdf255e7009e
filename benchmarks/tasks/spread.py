"""A task that wants global data and does little with it."""

import hxgrid


def measure(
    agent: hxgrid.TaskAgent, _session_id: int, source: hxgrid.Stream, sink: hxgrid.Stream
) -> bool:
    """Tell how large the global data is that the input names."""
    sink.write(str(len(agent.get_data(source.read().decode()))).encode())
    return True
