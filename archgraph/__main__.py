"""`python -m archgraph` is the command `archgraph`."""

from archgraph.cli.main import run

if __name__ == "__main__":
    run()
