"""`beholder monitor`: a look at the service, and the last one again."""

from typing import Annotated

import typer

from flows.cli_workspace import WorkspaceOption, look_into

monitor = typer.Typer(
    name="monitor",
    help="Look at the service: how far off its answers are, drift, latency, alarms.",
    invoke_without_command=True,
    rich_markup_mode="rich",
    epilog="For example:  beholder monitor  ·  beholder monitor show --json",
)


@monitor.callback()
def look(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Look at the service: how far off its answers are, drift, latency, alarms.

    Reads the answer log and the feedback, compares them with what the champion
    learnt and promised, and keeps what it found. An alarm is no failure: it
    ends with 0.
    """
    if context.invoked_subcommand is None:
        from flows.monitor_display import look_and_show

        look_and_show(look_into(workspace))


@monitor.command("show")
def show(
    as_json: Annotated[bool, typer.Option("--json", help="JSON, whole, for programs.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show what the last look found, without looking again."""
    from flows.monitor_display import show_last

    show_last(look_into(workspace), as_json=as_json)
