"""Many cores joined by a virtual network and clock; faults are data, chosen by a seed."""
