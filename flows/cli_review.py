"""`beholder review`: what awaits a person, what it would change, and the person's decision."""

from typing import Annotated

import typer

from flows.cli_workspace import WorkspaceOption, open_workspace

review = typer.Typer(
    name="review",
    help="See which versions await a person's decision, and approve or reject them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog="For example:  beholder review show 3  ·  beholder review approve 3 --reason 'better "
    "lists'  ·  beholder review reject 3 --reason 'too many look-alikes'",
)

VersionArgument = Annotated[
    int, typer.Argument(min=1, metavar="VERSION", help="The version's number.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, whole, for programs.")]
ReviewerOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Who decides, in the ledger; default: BEHOLDER_ACTOR, or user@host.",
        show_default=False,
    ),
]


@review.command("list")
def list_versions(
    every: Annotated[
        bool, typer.Option("--all", help="Also what was decided, turned down or overtaken.")
    ] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the versions that a person may decide about, the newest first."""
    from flows.review_display import show_list

    show_list(open_workspace(workspace), every=every, as_json=as_json)


@review.command("show")
def show_version(
    version: VersionArgument,
    as_json: JsonOption = False,
    in_browser: Annotated[
        bool,
        typer.Option("--open", help="Open the page with pictures, made anew if it is not here."),
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show what a version would change: verdict, numbers, slices, trial, lineage, what was decided.

    Also beside which champion it was judged, and whether that is still the one.
    """
    from flows.review_display import show_page, show_review

    place = open_workspace(workspace)
    if in_browser:
        show_page(place, version)
    else:
        show_review(place, version, as_json=as_json)


@review.command("approve")
def approve(
    version: VersionArgument,
    reason: Annotated[
        str,
        typer.Option(
            help="Why; the ledger keeps it. Needed where the gate was in doubt.", show_default=False
        ),
    ] = "",
    seen: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS",
            help="Which numbers you looked at, as 'show' names them; needed only where a version "
            "was judged more than once.",
            show_default=False,
        ),
    ] = "",
    reviewer: ReviewerOption = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Make a version champion that the gate passed, or override a gate that was in doubt.

    Where the champion changed since the verdict, the version is judged anew instead, and awaits
    review with the new numbers. A call that was killed is finished by the same command.
    """
    from flows.deciding import decide_and_show
    from flows.reviewing import Request

    request = Request(version, "approve", reason, reviewer, seen)
    decide_and_show(open_workspace(workspace), request)


@review.command("reject")
def reject(
    version: VersionArgument,
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it.", show_default=False)],
    reviewer: ReviewerOption = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Keep a version from ever becoming champion by itself; the champion stays."""
    from flows.deciding import decide_and_show
    from flows.reviewing import Request

    decide_and_show(open_workspace(workspace), Request(version, "reject", reason, reviewer))


@review.command("serve")
def serve(workspace: WorkspaceOption = None) -> None:
    """Take decisions from Prefect's form and MLflow's tags too; 'beholder down' ends it.

    Starts the workspace's servers unless they run, and a small service in the background.
    'beholder retrain' starts that service by itself when something awaits review.
    """
    from flows.deciding import serve_and_show

    serve_and_show(open_workspace(workspace))
