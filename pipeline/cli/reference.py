"""`docs/cli.md`, made from the help texts: ``python -m pipeline.cli.reference > docs/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pipeline.cli import COMMANDS, cli

WIDTH = 88
"""Width of the help texts in the page [column]."""

_HEAD = """\
# The command line

Made from `--help` by `python -m pipeline.cli.reference > docs/cli.md`.

## Formats

Every command that prints rows takes `--format`; a file named with `-o` tells it by its suffix:
`.txt` or none is what the command prints without `--format`, any other that is not known needs
`--format`. `.gz` or `.zst` behind the suffix compresses the file.

| format | for | numbers | times | what JSON does not have |
| --- | --- | --- | --- | --- |
| `table` | eyes | 4 significant digits, durations as `1h 02m` | UTC | spelled out, inert |
| `markdown` | pull requests | as in tables | UTC | code spans, inert |
| `csv` | spreadsheets | exact | ISO 8601, `Z` | NULL is nothing, the empty text `""` |
| `json`, `jsonl` | programs | exact | ISO 8601, `Z` | `"NaN"`, `"Infinity"`, `"-Infinity"` |
| `parquet` | engines | exact | timestamps, UTC | as stored |

Maps are JSON objects in json, jsonl and csv. Bytes are text there, as they are in UTF-8; where some
are none, `\\xaa` stands for each of those and `\\x5c` for a backslash. A table is as wide as its
terminal (`$COLUMNS` wins); columns that do not fit are named on standard error, and a single row
that does not fit is printed one column a line. Text from events never reaches a terminal as control
characters: tables and Markdown spell them out (`\\x1b`), JSON escapes them, CSV spells them out
where a terminal reads it and leaves them in files and pipes.

CSV is exact, so a spreadsheet that opens it runs the formulas that somebody wrote into a message
(`=cmd|...`). `--spreadsheet` writes CSV that is safe to open: as
[OWASP](https://owasp.org/www-community/attacks/CSV_Injection) advises, text that begins like a
formula gets an apostrophe before it, and all text is in quotes. Numbers and times are as in CSV.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    yield _section("tunelog", cli, None)
    with click.Context(cli, info_name="tunelog", **cli.context_settings) as parent:
        for name in COMMANDS:
            command = cli.get_command(parent, name)
            assert command is not None
            yield _section(f"tunelog {name}", command, parent)
            if isinstance(command, click.Group):
                with click.Context(command, parent, name) as group:
                    for part, below in command.commands.items():
                        yield _section(f"tunelog {name} {part}", below, group)


def _section(title: str, command: click.Command, parent: click.Context | None) -> str:
    name = title.rpartition(" ")[2]
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    with click.Context(command, parent, name, **settings) as ctx:
        text = command.get_help(ctx)
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"\n## {title}\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    click.echo(page(), nl=False)
