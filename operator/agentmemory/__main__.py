"""`agent-memory-operator` and `python -m agentmemory`."""

from agentmemory.cli import cli


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()
