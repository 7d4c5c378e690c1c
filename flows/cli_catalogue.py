"""`beholder catalogue`: what the endpoint's catalogue holds, and bringing it up to date."""

import typer

from flows.cli_workspace import WorkspaceOption, open_workspace

catalogue = typer.Typer(
    name="catalogue",
    help="Show which items the endpoint knows, and refresh them without a retraining.",
    invoke_without_command=True,
    rich_markup_mode="rich",
    epilog="For example:  beholder ingest --items new.csv --images new && beholder catalogue "
    "refresh  ·  beholder catalogue",
)


@catalogue.callback()
def begin(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Show which items the endpoint knows, and refresh them without a retraining."""
    if context.invoked_subcommand is None:
        show(workspace)


@catalogue.command("show")
def show(workspace: WorkspaceOption = None) -> None:
    """Show what came since the champion was learnt, what is withdrawn, and what still waits."""
    from flows.catalogue_state import show_catalogue

    show_catalogue(open_workspace(workspace))


@catalogue.command("refresh")
def refresh(workspace: WorkspaceOption = None) -> None:
    """Serve what was ingested since, and recommend no more what says 'available: false'.

    New items are served from their images, at once and in every endpoint that
    runs, without a request lost; nothing is learnt. A call that was killed is
    finished by the next one.
    """
    from flows.refreshing import refresh_and_show

    refresh_and_show(open_workspace(workspace))
