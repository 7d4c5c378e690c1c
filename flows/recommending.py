"""`beholder recommend`: the champion's lists for one user, or for all users into a file."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import typer

from components.errors import ParameterError
from components.models.predictor import Predictor, Recommended
from components.pages.words import counted
from components.paths import Workspace
from components.progress import track

_WRITERS = (".csv", ".parquet")


def recommend_user(workspace: Workspace, user_id: str, k: int) -> None:
    """Print one user's list and which path of the model it rests on."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from flows.releases import open_champion

    version, predictor = open_champion(workspace)
    recommended = recommend_unseen(predictor, user_id, k)
    items = predictor.bundle.catalogue.items.set_index("item_id")
    known = {
        "factors": "known from training",
        "history": "known by what they rated",
        "prior": "nothing known, so what suits the average user",
        "rules": "nothing known, so what trends",
    }
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("#", "rating"):
        table.add_column(column, justify="right")
    for column in ("item", ""):
        table.add_column(column)
    for place, item in enumerate(recommended.items, start=1):
        row = items.loc[item.item_id]
        about = escape(f"{row['title']}  {row['category']}")
        table.add_row(str(place), f"{item.score:.2f}", escape(item.item_id), about)
    console = Console(highlight=False)
    says = f"user {user_id}: {known[recommended.path]}; champion version {version.number}"
    console.print(says, markup=False)
    console.print(table)


def recommend_all_users(workspace: Workspace, k: int, out: Path) -> None:
    """Write (user_id, rank, item_id, rating) of every known user to a .csv or .parquet file."""
    from components.files import write_bytes, write_parquet
    from flows.releases import open_champion

    if out.suffix not in _WRITERS:
        raise ParameterError(f"{out} ends in {out.suffix!r}; name a .csv or a .parquet file")
    _, predictor = open_champion(workspace)
    frame = pd.DataFrame(
        _score_users(predictor, k), columns=["user_id", "rank", "item_id", "rating"]
    )
    if out.suffix == ".csv":
        write_bytes(out, frame.to_csv(index=False).encode())
    else:
        write_parquet(out, frame)
    users = counted(len(predictor.bundle.users), "user")
    typer.echo(f"{users}, {counted(len(frame), 'row')}: {out}")


def recommend_unseen(predictor: Predictor, user_id: str, k: int) -> Recommended:
    """Return what to show a user among the items that they have not rated."""
    users = predictor.bundle.users
    seen = users.history(int(users.find([user_id])[0])).items_N
    return predictor.recommend(predictor.fold_user(user_id), k, seen)


def _score_users(predictor: Predictor, k: int) -> Iterator[tuple[str, int, str, float]]:
    for user_id in track(predictor.bundle.users.user_ids, "users"):
        listed = recommend_unseen(predictor, user_id, k).items
        for place, item in enumerate(listed, start=1):
            yield user_id, place, item.item_id, item.score
