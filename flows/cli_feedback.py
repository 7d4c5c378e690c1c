"""`beholder feedback`: what users told the endpoint, and the next batch made of it."""

import typer

from flows.cli_workspace import WorkspaceOption, open_workspace

feedback = typer.Typer(
    name="feedback",
    help="Show what users told the endpoint, and make the next batch of their ratings.",
    invoke_without_command=True,
    rich_markup_mode="rich",
    epilog="For example:  beholder feedback  ·  beholder feedback export && beholder retrain",
)


@feedback.callback()
def show(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Show what users told the endpoint, and make the next batch of their ratings."""
    if context.invoked_subcommand is None:
        status(workspace)


@feedback.command("status")
def status(workspace: WorkspaceOption = None) -> None:
    """Show how much is stored, how much of it is in batches, and since when the rest waits."""
    from flows.feedback import show_feedback

    show_feedback(open_workspace(workspace))


@feedback.command("export")
def export(workspace: WorkspaceOption = None) -> None:
    """Make a batch of the ratings that are in none yet; views and clicks stay in the log.

    Each rating goes into exactly one batch. A call that was killed is finished
    by the next one, with the very same batch.
    """
    from flows.feedback import export_and_show

    export_and_show(open_workspace(workspace))
