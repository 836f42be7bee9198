"""`python -m trawl.cli`."""

from trawl.cli import main

main()
