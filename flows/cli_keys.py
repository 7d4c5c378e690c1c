"""`beholder keys`: who may ask the endpoint, for what, and how often."""

from typing import Annotated

import typer

from flows.cli_workspace import WorkspaceOption, look_into

keys = typer.Typer(
    name="keys",
    help="Make, list and revoke the keys by which others ask the endpoint.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog="For example:  beholder keys make shop --scopes recommend,feedback --rate 100/s  ·  "
    "beholder keys revoke shop",
)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The key's name.", show_default=False)
]


@keys.command("make")
def make(
    name: NameArgument,
    scopes: Annotated[
        str,
        typer.Option(
            help="What it opens, with commas: recommend (lists and ratings), feedback, operate "
            "(/metrics).",
            show_default=False,
        ),
    ],
    rate: Annotated[
        str | None,
        typer.Option(help="How often, such as 100/s, 1000/m, 5000/h.  [default: no limit]"),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Make a key, and show it this once: only its hash is kept.

    An endpoint that runs takes it within a second.
    """
    from flows.keys import make_and_show

    make_and_show(look_into(workspace), name, scopes=scopes, rate=rate)


@keys.command("list")
def list_keys(workspace: WorkspaceOption = None) -> None:
    """List the keys: what each opens, how often, and since when."""
    from flows.keys import show_keys

    show_keys(look_into(workspace))


@keys.command("revoke")
def revoke(name: NameArgument, workspace: WorkspaceOption = None) -> None:
    """Take a key away; an endpoint that runs refuses it within a second."""
    from flows.keys import revoke_and_show

    revoke_and_show(look_into(workspace), name)
