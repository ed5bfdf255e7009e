"""Bytes with a position: the public Stream, compression, digests and spilling to disk.

This room knows neither tasks nor peers. Task processes import it, so it stays light.
"""
