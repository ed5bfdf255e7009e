"""The tests of hxGrid: unit, sim, transport and programs; harness is what they share."""
