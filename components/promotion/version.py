"""A registered version, and the tags by which it is known."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from components.promotion.gate import Verdict

VERDICT_TAG = "beholder.verdict"
REASONS_TAG = "beholder.reasons"
TRIAL_TAG = "beholder.trial"
REPLACED_TAG = "beholder.replaced"
LINEAGE_ID_TAG = "beholder.lineage_id"
FREED_TAG = "beholder.freed"
NOBODY = "none"


@dataclass(frozen=True)
class Version:
    """A registered version: its number, both bundles' digest, its run, place and tags."""

    number: int
    digest: str
    run_id: str
    location: str
    tags: Mapping[str, str]

    @property
    def verdict(self) -> Verdict | None:
        """What the gate said of it; None before it did."""
        if VERDICT_TAG not in self.tags:
            return None
        return Verdict.from_json(
            {
                "decision": self.tags[VERDICT_TAG],
                "reasons": json.loads(self.tags.get(REASONS_TAG, "[]")),
            }
        )

    @property
    def has_replaced(self) -> bool:
        """Whether it was made champion once, or nearly."""
        return REPLACED_TAG in self.tags

    @property
    def replaced(self) -> int | None:
        """Which version it replaced as champion; None if none."""
        replaced = self.tags.get(REPLACED_TAG, NOBODY)
        return None if replaced == NOBODY else int(replaced)
