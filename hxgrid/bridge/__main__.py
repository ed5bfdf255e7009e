"""`python -m hxgrid.bridge` is `hxgrid-bridge`."""

from hxgrid.bridge.program import main

main()
