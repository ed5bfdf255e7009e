"""Sockets: ZeroMQ, UDP discovery, keys and allow-lists, and the loop that every role runs.

This room knows neither tasks nor retry policy. It translates the errors of ZeroMQ and of the
operating system into those of `hxgrid.errors`.
"""
