"""`python -m lossseg`: the command line."""

from lossseg.cli import main

main()
