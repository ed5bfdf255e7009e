"""What tests of running programs share: waiting, processes, machines, bad peers and networks.

Nothing in here knows how the product is built inside. It starts programs, does to them what
the world does to programs, and looks at what is left afterwards.
"""
