"""The command that makes the users of a list."""

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from app.access.passwords import generate_password, hash_password
from app.accounts import bulk
from app.cli.database import database
from app.cli.export import cell
from app.cli.moderation import ACTOR, may_have_reason
from app.domain.errors import InvalidList, ListProblem
from app.domain.user_list import ListedUser, read_list
from config.settings import Settings
from db import transaction

MOST = 10_000
LARGEST = 4 * 1024 * 1024


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Check the list and count, make nobody.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file for the generated passwords, readable by you alone, instead of standard output.",
)
@may_have_reason
@click.pass_obj
def import_users(config: Settings, file: BinaryIO, dry_run: bool, output: Path | None, reason: str | None) -> None:
    """Make the users of FILE, all of them or none; "-" is standard input.

    FILE is CSV in UTF-8, separated by commas, semicolons or tabs. Its first line names the columns: username, and if
    there are any displayName, email, password. Who has no password gets one, which is written as CSV. Users who are
    there already are skipped; one with another e-mail address or display name is a mistake. Run again, it makes nobody
    twice.
    """
    listed = read_list(_text_of(file), most=MOST)
    _refuse(listed.problems)
    with database(config) as made:
        try:
            plan = transaction.in_transaction(made, lambda conn: bulk.plan(conn, listed.users))
            for it in plan.there:
                click.echo(f"line {it.line}: {it.username} is there already", err=True)
            if dry_run:
                click.echo(f"{len(plan.new)} users would be made, {len(plan.there)} are there already.", err=True)
                return
            passwords = [it.password or generate_password() for it in plan.new]
            with _written(output, _slips(plan.new, passwords)):
                hashed = list(zip(plan.new, _hashes(passwords), strict=True))
                transaction.in_transaction(made, lambda conn: bulk.add(conn, hashed, actor=ACTOR, reason=reason))
        except InvalidList as error:
            _refuse(error.problems)
    click.echo(f"{len(plan.new)} users were made, {len(plan.there)} were there already.", err=True)


def _text_of(file: BinaryIO) -> str:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise click.ClickException(f"The file is larger than {LARGEST // 1024 // 1024} MiB: make two of it.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise click.ClickException(f"line {line}: not UTF-8. In Excel, save as “CSV UTF-8”.") from None


def _refuse(problems: Iterable[ListProblem]) -> None:
    told = [f"line {it.line}: {it.detail}" for it in problems]
    if told:
        for line in told:
            click.echo(line, err=True)
        raise click.ClickException(f"{len(told)} mistakes; nobody was made.")


def _hashes(passwords: list[str]) -> list[str]:
    """Hash passwords on every core; the library lets other threads run meanwhile."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = pool.map(hash_password, passwords)
        hidden = not sys.stderr.isatty()
        with click.progressbar(hashes, len(passwords), "Hashing passwords", hidden=hidden, file=sys.stderr) as bar:
            return list(bar)


def _slips(made: list[ListedUser], passwords: list[str]) -> str:
    """Return the generated passwords as CSV; nothing when there are none."""
    generated = [(it, password) for it, password in zip(made, passwords, strict=True) if it.password is None]
    if not generated:
        return ""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["username", "displayName", "password"])
    writer.writerows([it.username, cell(it.display_name), password] for it, password in generated)
    return file.getvalue()


@contextmanager
def _written(output: Path | None, slips: str) -> Iterator[None]:
    """Write passwords before their users are made: what can't be written must not be in force."""
    if not slips:
        yield
        return
    if output is None:
        click.echo(slips, nl=False)
        yield
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # an earlier list is never overwritten
    except FileExistsError:
        raise click.ClickException(f"{output} exists: name a new file, passwords are in that one.") from None
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(slips)
            file.flush()
            os.fsync(file.fileno())
        yield
    except InvalidList:  # after anything else the users may be there, and this is where their passwords are
        output.unlink()
        raise
