"""What a look's checks mean for people: alarms in plain words, and which of them are new."""

from collections.abc import Sequence

from components.monitoring.checks import Check, Kind
from components.monitoring.snapshot import Alarm, Snapshot

NAMES: dict[Kind, str] = {
    "rmse": "online RMSE",
    "ratings": "drift of ratings",
    "images": "drift of images",
    "users": "drift of users",
    "activity": "drift of activity",
}
# How the value of each check is told, and in which units.
UNITS: dict[Kind, str] = {
    "rmse": "rating points above the promised RMSE",
    "ratings": "more surprising ratings, as a share",
    "images": "how far apart looks are, from 0 to 1",
    "users": "more strangers, as a share of who asks",
    "activity": "how far apart users' visits are, from 0 to 1",
}
_SAYS: dict[Kind, str] = {
    "rmse": "version {version} is further off than promised: its RMSE over {lately:,} ratings in "
    "service lies {value:.3f} above that of its evaluation ({threshold:.3f} is what may be)",
    "ratings": "people rate otherwise than version {version} learnt: of {lately:,} ratings "
    "{value:.0%} more than in its test are surprisingly low or high ({threshold:.0%} may be)",
    "images": "items look otherwise than those that version {version} learnt: {lately:,} new ones "
    "lie {value:.3f} apart ({threshold:.3f} may be)",
    "users": "version {version} is asked for more strangers than it was tested on: their share of "
    "{lately:,} users lies {value:.0%} above that of the test ({threshold:.0%} may be)",
    "activity": "people ask version {version} more or less often than before: {lately:,} users lie "
    "{value:.2f} apart from those of the time before ({threshold:.2f} may be)",
}
_NEXT: dict[Kind, str] = {
    "rmse": "beholder feedback export && beholder retrain",
    "ratings": "beholder feedback export && beholder retrain",
    "images": "beholder retrain",
    "users": "beholder feedback export && beholder retrain",
    "activity": "beholder feedback",
}


def raise_alarms(
    checks: Sequence[Check], version: str, at: float, before: Snapshot | None
) -> tuple[Alarm, ...]:
    """Return the alarms of a look.

    One that stood before goes on, as it began: as long as no look in between has judged the check
    of this champion and found it quiet.
    """
    standing = {} if before is None else {(one.kind, one.version): one for one in before.alarms}
    raised = []
    for check in checks:
        old = standing.get((check.kind, version))
        if check.state == "alarm":
            since = at if old is None else old.since
            raised.append(_describe(check, version, since))
        elif check.state == "unknown" and old is not None:
            raised.append(old)
    return tuple(raised)


def find_new(snapshot: Snapshot) -> tuple[Alarm, ...]:
    """Return the alarms that this very look has raised: those that nobody was told of."""
    return tuple(alarm for alarm in snapshot.alarms if alarm.since == snapshot.at)


def _describe(check: Check, version: str, since: float) -> Alarm:
    says = _SAYS[check.kind].format(
        version=version, value=check.value, threshold=check.threshold, lately=check.lately
    )
    return Alarm(check.kind, version, since, says, _NEXT[check.kind])
