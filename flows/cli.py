"""The `beholder` command: what a person types; every command is a few lines over a module."""

import gc
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from components.errors import BeholderError
from flows.cli_catalogue import catalogue
from flows.cli_feedback import feedback
from flows.cli_keys import keys
from flows.cli_monitor import monitor
from flows.cli_notify import notify
from flows.cli_review import review
from flows.cli_workspace import WorkspaceOption, look_into
from flows.cli_workspace import open_workspace as _open

app = typer.Typer(
    name="beholder",
    help="Turn a folder of images and a table of ratings into a deployed visual recommender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with [bold]beholder demo[/], or [bold]beholder init DIR[/] and your own data.",
)

app.add_typer(review, name="review")
app.add_typer(catalogue, name="catalogue")
app.add_typer(feedback, name="feedback")
app.add_typer(keys, name="keys")
app.add_typer(monitor, name="monitor")
app.command(epilog="For example:  beholder notify - --test  ·  beholder notify --on failed,drift")(
    notify
)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="An empty or a new folder.")],
    remote: Annotated[
        str | None,
        typer.Option(
            help="Where DVC keeps a second copy of the data: a folder outside the workspace, or "
            "an address such as s3://bucket/path.  [default: DIRECTORY.remote]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a workspace: git, DVC, params.yaml, dvc.yaml and an empty list of batches."""
    from components.data.workspace import init_workspace

    workspace = init_workspace(directory, remote)
    print(f"workspace {workspace.root}")
    print(f"next: cd {directory} && beholder ingest --items FILE --images DIR --ratings FILE")


@app.command()
def ingest(
    items: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet: item_id, image (or images), title, category, …"),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="The folder that the items' image paths start from.")
    ] = None,
    ratings: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: user_id, item_id, rating, timestamp.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Take in new items, images or ratings as one versioned batch (any of the three)."""
    from flows.ingesting import ingest_and_show

    ingest_and_show(_open(workspace), items=items, images=images, ratings=ratings)


@app.command()
def fetch(
    batch: Annotated[
        str | None, typer.Argument(help="A batch's id; default: every one.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Bring batches that are missing or damaged here back from DVC's cache or remote."""
    from flows.ingesting import fetch_and_show

    fetch_and_show(_open(workspace), batch)


@app.command()
def withdraw(
    batch: Annotated[str, typer.Argument(help="The batch's id, as 'beholder status' shows it.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Take a batch out of the data that is learnt from; its files stay in the DVC remote."""
    from components.data.ingest import withdraw as withdraw_batch

    place = _open(workspace)
    withdraw_batch(place, batch)
    print(f"batch {batch} withdrawn; 'beholder catalogue refresh' takes its new items out of lists")
    print("that are served, 'beholder retrain' learns without it")


@app.command()
def retrain(workspace: WorkspaceOption = None) -> None:
    """Validate, train, measure and try a candidate; promote it if it is better."""
    from flows.retraining import retrain_and_show

    retrain_and_show(_open(workspace))


@app.command(
    epilog="For example:  beholder trigger --dry-run  ·  beholder trigger --reason 'new posters'"
)
def trigger(
    reason: Annotated[str, typer.Option(help="Why; the run and its record say so.")] = "by hand",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would cost; ask for nothing.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Ask the stack of 'beholder up' for a retraining; show first what it would cost.

    Who asks while others wait joins their run, who asks during a run joins the
    next: never two at once. 'beholder retrain' runs it in this terminal instead.
    """
    from flows.trigger_command import trigger_and_show

    trigger_and_show(_open(workspace), reason, dry_run=dry_run)


@app.command(epilog="For example:  beholder pool gpu  ·  beholder pool  ·  beholder pool --leave")
def pool(
    name: Annotated[
        str | None,
        typer.Argument(help="A work pool of Prefect's; default: show who runs what."),
    ] = None,
    container: Annotated[
        bool,
        typer.Option("--container", help="Its jobs start in an image: docs in infra/README.md."),
    ] = False,
    leave: Annotated[
        bool, typer.Option("--leave", help="Let the worker of 'beholder up' run them again.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Let a work pool of Prefect's run the deployments instead of our own worker.

    Writes prefect.yaml and prints the commands of Prefect's that register them
    in the pool and start a worker of it. Our worker goes on watching.
    """
    from flows.pool_command import join_and_show, leave_and_show, show_pools

    if name is not None and leave:
        raise typer.BadParameter("name a work pool, or --leave, not both")
    place = _open(workspace)
    if leave:
        leave_and_show(place)
    elif name is None:
        show_pools(place)
    else:
        join_and_show(place, name, container=container)


@app.command(
    epilog="For example:  beholder tune --budget 30  ·  beholder tune --family mf --trials 20  ·  "
    "beholder tune --dry-run"
)
def tune(
    family: Annotated[
        str | None,
        typer.Option(
            help="The family; default: the one that params.yaml learns.", show_default=False
        ),
    ] = None,
    budget: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="Begin no trial after so many minutes.")
    ] = 10.0,
    trials: Annotated[
        int, typer.Option(min=1, max=1000, help="At most so many, those of earlier calls included.")
    ] = 50,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be searched, and where; try nothing.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Search for better options of a family on the valid rows; write them to params.yaml.

    The test rows are never looked at. The present values are tried first, and
    stay unless the best are better by more than chance. A call that was
    interrupted or killed leaves params.yaml alone; the same call goes on.
    """
    from flows.tuning import tune_and_show

    tune_and_show(_open(workspace), family=family, minutes=budget, trials=trials, dry_run=dry_run)


@app.command(
    epilog="For example:  beholder compare  ·  beholder compare --families hybrid,svdpp --seeds 5  "
    "·  beholder compare --strategy cold_item"
)
def compare(
    families: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="The families; default: all but finetuned, which takes long.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Trainings of each family that draws anything.")
    ] = 3,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="Split otherwise than params.yaml says, for this comparison: global_time, "
            "user_time, random, cold_item or cold_user.",
            show_default=False,
        ),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Train every family on one split, and show who predicts best and what it costs.

    Prints RMSE with intervals by users, the spread over seeds, lists and costs,
    and writes reports/compare. What was trained before is not trained again: a
    call that was interrupted or killed goes on where it was.
    """
    from flows.comparing import compare_and_show

    compare_and_show(_open(workspace), families=families, seeds=seeds, strategy=strategy)


@app.command()
def status(workspace: WorkspaceOption = None) -> None:
    """Show the data, the champion with its RMSE beside the ladder's, and the servers."""
    from flows.status import show_status

    show_status(_open(workspace))


@app.command()
def serve(
    workspace: WorkspaceOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    background: Annotated[
        bool, typer.Option("--background", help="Leave it running; 'beholder down' ends it.")
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Start the one in the background anew: for other service code or packages.",
        ),
    ] = False,
) -> None:
    """Serve the champion over HTTP; an endpoint that runs takes up a new one by itself."""
    from flows.endpoint import serve_champion

    place = _open(workspace)
    serve_champion(place, host=host, port=port, background=background, restart=restart)


@app.command(
    epilog="For example:  beholder deploy  ·  beholder deploy previous --reason 'lists look odd'"
)
def deploy(
    version: Annotated[
        str,
        typer.Argument(
            metavar="[VERSION]",
            help="The champion, by default; its number, 'champion', 'previous', or the number of "
            "a version that was champion before.",
        ),
    ] = "champion",
    reason: Annotated[
        str, typer.Option(help="Why, where another version takes the champion's place.")
    ] = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Let every endpoint that runs answer with the champion; start one where none runs.

    All workers take it up or none does, with the catalogue of the last
    refresh, and no request is lost. A version that was champion before becomes
    champion again, once it has passed its trial, as by 'beholder rollback'.
    """
    from flows.deploy_command import deploy_and_show

    deploy_and_show(look_into(workspace), version, reason)


@app.command(epilog="For example:  beholder rollback --reason 'lists look odd since noon'")
def rollback(
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it.", show_default=False)],
    to: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="VERSION",
            help="Which version; default: the one that the champion replaced.",
            show_default=False,
        ),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Make the previous champion champion again, once it has passed its trial.

    The alias, the ledger and an endpoint that runs in the background follow.
    A call that was killed is finished by the same command. What was left is
    not promoted again by itself.
    """
    from flows.rolling_back import roll_back_and_show

    # Seconds count, and going back needs no digests of the steps' code.
    roll_back_and_show(look_into(workspace), to, reason)


@app.command(
    epilog="For example:  beholder ledger 3  ·  beholder ledger --json -n 1000  ·  "
    "beholder ledger verify"
)
def ledger(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION|verify]",
            help="A version's number, or the word verify; default: all versions.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        int, typer.Option("-n", min=1, metavar="N", help="The last so many entries.")
    ] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, whole.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show who made which version champion, when and why; or verify that nothing was changed.

    'verify' looks for lines that were changed, taken out or moved and for an
    end that was cut off, names each, and ends with 1 if it finds any.
    """
    from flows.ledger_display import show_ledger, verify_ledger

    if what == "verify":
        sys.exit(verify_ledger(_open(workspace)))
    if what is not None and not what.isdigit():
        raise typer.BadParameter(f"{what!r} is neither a version's number nor 'verify'")
    version = None if what is None else int(what)
    show_ledger(_open(workspace), version=version, last=last, as_json=as_json)


@app.command(
    epilog="For example:  beholder trace 814e34d0720b36d1  ·  beholder trace 3 --json  ·  "
    "beholder trace item:print-0001"
)
def trace(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="ID",
            help="A lineage id, version, MLflow run, Bento's tag or digest (or how one begins), "
            "the id of an answered request, the line of an answer's header; or a batch, "
            "image:SHA256, item:ID, user:ID.",
            show_default=False,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, whole.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show what an answer rests on, from the data to the endpoint, or who learnt from some data."""
    from flows.tracing_display import trace_and_show

    trace_and_show(look_into(workspace), " ".join(what), as_json=as_json)


@app.command(epilog="For example:  beholder reproduce 3  ·  beholder reproduce champion --keep")
def reproduce(
    version: Annotated[
        str,
        typer.Argument(
            metavar="VERSION",
            help="A version's number, or anything else that 'trace' takes for one.",
            show_default=False,
        ),
    ],
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The scratch workspace, a new folder.  [default: WORKSPACE.reproduce/VERSION]",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the scratch workspace there, to look into it.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Learn a version again from its own data, code and parameters; say whether it is the same.

    Everything is computed anew in a scratch workspace, nothing is taken from
    a cache. Ends with 0 if both bundles are the same to the bit, else with 1,
    with what differs first and by how much the RMSE does. The same call goes
    on after a kill.
    """
    from flows.reproducing import reproduce_and_show

    sys.exit(reproduce_and_show(look_into(workspace), version, into=into, keep=keep))


@app.command()
def recommend(
    user: Annotated[str | None, typer.Argument(help="A user's id.", show_default=False)] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many items.")] = 10,
    all_users: Annotated[
        bool, typer.Option("--all-users", help="Score every user that the champion knows.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="With --all-users: the file to write, .csv or .parquet."),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Ask the champion what a user would like, or score all users into a file."""
    from flows.recommending import recommend_all_users, recommend_user

    if all_users == (user is not None) or all_users != (out is not None):
        raise typer.BadParameter("give a USER, or --all-users with --out FILE")
    place = _open(workspace)
    if out is not None:
        recommend_all_users(place, k, out)
    elif user is not None:
        recommend_user(place, user, k)


@app.command()
def up(workspace: WorkspaceOption = None) -> None:
    """Start Prefect, MLflow, the worker and, where there is a champion, the endpoint.

    Each listens on loopback, writes its log into the workspace and is started
    again when it dies, until 'beholder down'. Safe to repeat: what runs is
    left alone, and after a reboot ports and history are the same.
    """
    from flows.stack import bring_up_and_show

    bring_up_and_show(_open(workspace))


@app.command()
def down(workspace: WorkspaceOption = None) -> None:
    """Stop the workspace's servers (Prefect, MLflow, the worker, the endpoint)."""
    from flows.deploying import find_live
    from flows.services import Services

    place = _open(workspace)
    stopped = Services(place).stop()
    print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
    for endpoint in find_live(place):
        print(f"an endpoint in a terminal's foreground goes on (process {endpoint.folder.name})")


@app.command("gc")
def collect(
    keep: Annotated[
        int, typer.Option(min=1, help="How many of the newest versions stay whole.")
    ] = 5,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Free what nothing needs: old bundles, Bentos, DVC's cache; says what before it does.

    The champion, the one before, what answers now, open reviews and the newest
    versions stay whole, and everything to learn any version again stays too:
    batches, parameters, what runs logged. The remote is left as it is.
    """
    from flows.collecting import collect_and_show

    collect_and_show(_open(workspace), keep=keep, is_agreed=yes, as_json=as_json)


RemoteOption = Annotated[
    str | None,
    typer.Option(
        help="Where DVC's remote lies seen from here: a folder, or an address.",
        show_default=False,
    ),
]


@app.command()
def clone(
    address: Annotated[str, typer.Argument(help="The workspace's git repository.")],
    directory: Annotated[Path, typer.Argument(help="An empty or a new folder.")],
    remote: RemoteOption = None,
) -> None:
    """Copy a workspace from its git repository, with all data and models from DVC's remote."""
    from flows.copies import clone_and_show

    clone_and_show(address, directory, remote)


@app.command()
def backup(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A new file.  [default: beside the workspace, under the time]", show_default=False
        ),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write one file of what lies nowhere else: versions, runs, ledger, feedback, answers, keys.

    It may be called while all servers run. Data and models lie in DVC's remote,
    which wants a copy of its own.
    """
    from flows.copies import backup_and_show

    backup_and_show(_open(workspace), file)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What 'beholder backup' wrote.")],
    directory: Annotated[Path, typer.Argument(help="An empty or a new folder.")],
    remote: RemoteOption = None,
) -> None:
    """Make a workspace of a backup, with all data and models from DVC's remote."""
    from flows.copies import restore_and_show

    restore_and_show(file, directory, remote)


@app.command()
def doctor(workspace: WorkspaceOption = None) -> None:
    """Say what is missing or misconfigured, and the command that mends it."""
    from flows.doctor import show_checkup

    sys.exit(show_checkup(workspace))


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(help="The demo's workspace.")] = Path("demo"),
) -> None:
    """Run the main job on drawn art prints with simulated tastes, and serve the result."""
    from flows.demo import run_demo

    run_demo(directory)


def main() -> None:
    """Run the command line: an expected failure is one line on stderr and exit code 1."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Walking what imports have made costs a command up to a second and a half at the usual pace.
    gc.set_threshold(100_000, 50, 50)
    try:
        app()
    except BeholderError as error:
        print(f"beholder: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("beholder: interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
