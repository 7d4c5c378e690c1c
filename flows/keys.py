"""What `beholder keys` does and prints."""

from datetime import UTC, datetime

import typer

from components.keys import (
    find_key_file,
    make_key,
    parse_rate,
    parse_scopes,
    read_keys,
    revoke_key,
)
from components.paths import Workspace
from components.settings import load_settings


def make_and_show(workspace: Workspace, name: str, *, scopes: str, rate: str | None) -> None:
    """Make a key and print its token, alone on stdout, and on stderr how to use it."""
    allowed = parse_scopes(scopes)
    limit = None if rate is None else parse_rate(rate)
    token = make_key(find_key_file(workspace, load_settings()), name, allowed, limit)
    typer.echo(token)
    often = f", at most {limit}" if limit else ""
    typer.echo(
        f"key {name!r} opens {', '.join(allowed)}{often}; it is shown this once\n"
        "send it as 'Authorization: Bearer KEY'",
        err=True,
    )


def show_keys(workspace: Workspace) -> None:
    """Print the keys, a line each."""
    found = read_keys(find_key_file(workspace, load_settings()))
    if not found:
        typer.echo("no keys; 'beholder keys make NAME --scopes recommend,feedback' makes one")
    for key in found:
        made = f"{datetime.fromtimestamp(key.made_at, UTC):%Y-%m-%d}"
        rate = str(key.rate) if key.rate else "no limit"
        typer.echo(f"{key.name:<24} {','.join(key.scopes):<28} {rate:<12} since {made}")


def revoke_and_show(workspace: Workspace, name: str) -> None:
    """Take a key away and say so."""
    revoke_key(find_key_file(workspace, load_settings()), name)
    typer.echo(f"key {name!r} revoked")
