"""Task code that the benchmarks run; it travels to the agent like any other."""
