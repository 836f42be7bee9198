"""The list of commands, in the order in which a person comes to need them."""

from __future__ import annotations

import click

_SELDOM = {"policy", "table", "docs", "schema", "completion", "demo", "up"}
"""Commands that a person calls once, or make does: named in the list of all, and no more."""


class _InOrder(click.Group):
    """Commands in the order in which a person comes to need them, not in that of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing: it is the heading of the commands."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands alone: with what everybody knows besides, they would not fit a screen."""
        del ctx
        widest = max(map(len, self.commands))
        limit = formatter.width - 6 - widest
        rows = [
            (name, command.get_short_help_str(limit))
            for name, command in self.commands.items()
            if name not in _SELDOM
        ]
        rows.append(("and", ", ".join(name for name in self.commands if name in _SELDOM)))
        with formatter.section((self.help or "").rstrip(".")):
            formatter.write_dl(rows)


def example(*lines: str) -> str:
    """The end of a command's help: lines to type."""
    return "\n".join(("\b", "Example:", *(f"  {line}" for line in lines)))


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("trawl new covid --source twitter --query covid"),
)
@click.version_option(package_name="trawl", message="trawl %(version)s")
def trawl() -> None:
    """One YAML file, one daily scrape. Each COMMAND has a --help of its own."""
