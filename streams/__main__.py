"""`python -m streams`: the command line where the script `tocsin` is not on the PATH."""

from streams.cli import main

main()
