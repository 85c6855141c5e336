"""`sd-b64`: the one command. `sd-b64 --help` lists what it does."""

import argparse

from cli.serve import serve
from core import load_or_exit, run


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="sd-b64", description="The front door to Stable Diffusion.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("serve", help="start everything in one process: HTTP, websocket, a painter if needed")
    parser.parse_args()
    run(serve(load_or_exit()))


if __name__ == "__main__":
    main()
