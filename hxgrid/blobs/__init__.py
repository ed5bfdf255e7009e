"""Blobs: immutable bytes named by a digest, and how they get to where they are needed.

Chunk lists, the state of transfers (pure: no sockets, no clock), and the store on disk. Who needs
a blob, and why, is not known here.
"""
