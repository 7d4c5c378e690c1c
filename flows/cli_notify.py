"""`beholder notify`: who is told of reviews, promotions, rejections, failures and drift."""

from typing import Annotated

import typer

from flows.cli_workspace import WorkspaceOption, look_into


def notify(
    url: Annotated[
        str | None,
        typer.Argument(
            envvar="BEHOLDER_NOTIFY_URL",
            show_envvar=True,
            help="A webhook's address; - reads it from standard input, so that no list of "
            "processes shows it.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            help="What is told: review, promoted, rejected, failed, drift, with commas; or all.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="How: json, slack, discord or text; default: as the host is known to want it, "
            "else json.",
            show_default=False,
        ),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Send one, and say what the receiver answered.")
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="Tell nobody any more.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Tell a webhook what happens: review needed, promoted, rejected, failed, drift.

    Without options it shows who is told. The address is a secret, and is kept
    where only you can read it; Prefect does the sending.
    """
    from flows.notify_command import set_and_show

    set_and_show(look_into(workspace), url, on, kind, test=test, off=off)
