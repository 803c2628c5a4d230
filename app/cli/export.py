"""The command that exports standings, actions or users, for spreadsheets and for programs."""

import contextlib
import csv
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

import click
import msgspec
import sqlalchemy as sa

from app.cli.database import board_rules, database, replica
from app.domain import periods
from app.domain.ids import DEFAULT_BOARD, BoardId
from config.settings import Settings
from db import clock, exports
from db.replica import CANCELLED
from db.transaction import in_statement, is_away, pgcode

SHOW_EVERY = 10_000

FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - the wide ones are taken for the narrow ones
"""What a cell begins with that a spreadsheet would work out. Source: OWASP, "CSV Injection"."""

SIGPIPE = 128 + 13

_CANCELLED = (
    "The replica cancelled the export, since what it read was cleaned up on the primary; it is not complete. "
    "Repeat it with --primary, or set hot_standby_feedback = on on the replica."
)

Write = Callable[[tuple[Any, ...]], object]


@click.command()
@click.argument("what", type=click.Choice(list(exports.EXPORTS)), default=exports.STANDINGS)
@click.option("--csv", "as_csv", is_flag=True, help="Comma separated values, safe to open in a spreadsheet.")
@click.option("--bom", is_flag=True, help="With --csv: a byte order mark, so that Excel shows names right.")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object a line (the default).")
@click.option("--board", help="With standings: another board than all-time.")
@click.option("--period", help="With --board: which of its days, weeks or months; the present one without.")
@click.option("--primary", is_flag=True, help="Read from DATABASE_URL also where there is a DATABASE_REPLICA_URL.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of standard output.")
@click.pass_obj
def export(
    config: Settings,
    what: str,
    as_csv: bool,
    bom: bool,
    as_jsonl: bool,
    board: str | None,
    period: str | None,
    primary: bool,
    output: Path | None,
) -> None:
    """Write WHAT there is at this moment: the standings (all who are on the board), every action, or every user."""
    if what != exports.STANDINGS and (board or period):
        raise click.UsageError("--board and --period go with standings.")
    if as_csv and as_jsonl:
        raise click.UsageError("--csv or --jsonl, not both.")
    if bom and not as_csv:
        raise click.UsageError("--bom goes with --csv.")
    others: list[sa.Engine] = []
    try:
        with database(config) as made, replica(config, made, primary) as found, _opened(output) as file:
            others = found
            columns = exports.EXPORTS[what].columns
            write: Write = _csv(file, columns, bom=bom) if as_csv else _json_lines(file, columns)
            row = _board_row(config, made, board or DEFAULT_BOARD, period)
            written = _write(write, exports.rows_of_first([*others, made], what, row), what)
    except BrokenPipeError:
        # The reader has closed the pipe. Nothing may be written to it any more, not even at the end of the process.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(SIGPIPE) from None
    except OSError as error:
        raise click.ClickException(f"{output or 'standard output'}: {error.strerror}") from None
    except sa.exc.DBAPIError as error:
        if others and pgcode(error) in CANCELLED:
            raise click.ClickException(_CANCELLED) from None
        if not is_away(error):
            raise
        raise click.ClickException("The database can't be reached, or was lost; the export is not complete.") from None
    click.echo(f"{written} {what}", err=True)


def _board_row(config: Settings, made: sa.Engine, board: str, label: str | None) -> BoardId:
    """Return the id of the row of a board's period: the present one by PostgreSQL's clock, unless it is named."""
    rule = board_rules(config).get(BoardId(board))
    if rule is None:
        raise click.UsageError(f"There is no board {board!r} in {config.boards_file.name}.")
    if label is None:
        return periods.shown(rule, in_statement(made, clock.now)).id
    period = periods.named(rule, label)
    if period is None:
        raise click.UsageError(f"{board} has no period {label!r}.")
    return period.id


def _write(write: Write, rows: Iterable[tuple[Any, ...]], what: str) -> int:
    """Write all rows, tell at a terminal how far it is, and give their number."""
    shown = sys.stderr.isatty()
    written = 0
    for row in rows:
        write(row)
        written += 1
        if shown and written % SHOW_EVERY == 0:
            click.echo(f"\r{written} {what}", nl=False, err=True)
    if shown:
        click.echo("\r", nl=False, err=True)
    return written


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    """Open what is written to. A file is there once it is complete, for its owner alone: it may hold addresses."""
    if output is None:
        stdout = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield stdout
            stdout.flush()
        finally:
            with contextlib.suppress(BrokenPipeError):
                stdout.detach()
        return
    if output.exists() and not output.is_file():  # a pipe, a device
        with output.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(name, output)
    except BaseException:
        os.unlink(name)
        raise


def _csv(file: IO[str], columns: tuple[str, ...], *, bom: bool) -> Write:
    if bom:
        file.write("\ufeff")
    writer = csv.writer(file)
    writer.writerow(columns)
    return lambda row: writer.writerow([cell(value) for value in row])


def cell(value: Any) -> Any:
    """Return a value as a spreadsheet may see it: text that looks like a formula gets an apostrophe in front."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict | list):
        value = msgspec.json.encode(value).decode()
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def _json_lines(file: IO[str], columns: tuple[str, ...]) -> Write:
    encode = msgspec.json.Encoder().encode
    return lambda row: file.write(encode(dict(zip(columns, row, strict=True))).decode() + "\n")
