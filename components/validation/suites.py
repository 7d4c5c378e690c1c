"""The Great Expectations suites: all that is demanded of the data, each with its reason.

A critical expectation of single rows refuses the rows that break it, one of a whole table fails
the run; a warning is counted and told. `meta.reason` says it in words. The columns that hold
facts of ours (and are no columns of the data) are named in `step.py`, where they are made.
"""

from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from components.params import Params

# How Pillow can store the pixels of a JPEG, PNG or WebP image that we know to turn into RGB.
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "I;16B")


def _refuse(kind: type[Expectation], reason: str, **demands: Any) -> Expectation:
    return kind(meta={"reason": reason}, severity=FailureSeverity.CRITICAL, **demands)


def _warn(kind: type[Expectation], reason: str, **demands: Any) -> Expectation:
    return kind(meta={"reason": reason}, severity=FailureSeverity.WARNING, **demands)


def _refuse_empty(column: str) -> list[Expectation]:
    reason = f"{column} is empty"
    return [
        _refuse(gxe.ExpectColumnValuesToNotBeNull, reason, column=column),
        _refuse(gxe.ExpectColumnValueLengthsToBeBetween, reason, column=column, min_value=1),
    ]


def demand_of_images(params: Params) -> list[Expectation]:
    """Return what each image that came in must keep to."""
    rules = params.validation
    side = rules.min_image_side
    between = gxe.ExpectColumnValuesToBeBetween
    return [
        _refuse(gxe.ExpectColumnValuesToBeNull, "does not decode", column="problem"),
        _refuse(between, f"narrower than {side} pixels", column="width", min_value=side),
        _refuse(between, f"lower than {side} pixels", column="height", min_value=side),
        _refuse(
            between,
            f"larger than {rules.max_image_megapixels:g} megapixels",
            column="megapixels",
            max_value=rules.max_image_megapixels,
        ),
        _refuse(
            gxe.ExpectColumnValuesToBeInSet,
            "pixels are stored in a mode that is not known",
            column="mode",
            value_set=list(MODES),
        ),
        _refuse(between, "blank", column="contrast", min_value=rules.min_image_contrast),
        _warn(gxe.ExpectColumnValuesToBeUnique, "came with several batches", column="sha256"),
        _warn(between, "shown by several items", column="shown_by", max_value=1),
        _warn(between, "shown by no item", column="shown_by", min_value=1),
        _warn(gxe.ExpectColumnValuesToBeUnique, "looks like another one", column="look"),
    ]


def demand_of_items(params: Params) -> list[Expectation]:
    """Return what each row of items that came in must keep to."""
    between = gxe.ExpectColumnValuesToBeBetween
    judge = _warn if params.data.items_without_image == "keep" else _refuse
    return [
        *_refuse_empty("item_id"),
        _refuse(between, "stands twice in its batch", column="earlier_in_batch", max_value=0),
        judge(between, "has no usable image", column="usable_images", min_value=1),
        _warn(between, "names images that no batch holds", column="absent_images", max_value=0),
    ]


def demand_of_ratings(params: Params) -> list[Expectation]:
    """Return what each rating that came in must keep to."""
    low, high = params.data.rating_min, params.data.rating_max
    first, last = params.validation.min_timestamp, params.validation.max_timestamp
    between = gxe.ExpectColumnValuesToBeBetween
    return [
        *_refuse_empty("user_id"),
        *_refuse_empty("item_id"),
        _refuse(gxe.ExpectColumnValuesToNotBeNull, "rating is missing", column="rating"),
        _refuse(
            between,
            f"rating is not within {low:g} to {high:g}",
            column="rating",
            min_value=low,
            max_value=high,
        ),
        _refuse(gxe.ExpectColumnValuesToNotBeNull, "timestamp is missing", column="timestamp"),
        _refuse(
            between,
            "timestamp is not plausible",
            column="timestamp",
            min_value=first,
            max_value=last,
        ),
        _refuse(between, "names an item that is not accepted", column="item_rows", min_value=1),
    ]


def demand_of_accepted_ratings(params: Params) -> list[Expectation]:
    """Return what the accepted ratings must be as a whole."""
    rules = params.validation
    return [
        _refuse(
            gxe.ExpectTableRowCountToBeBetween,
            f"fewer than validation.min_ratings {rules.min_ratings}",
            min_value=rules.min_ratings,
        ),
        _refuse(
            gxe.ExpectColumnUniqueValueCountToBeBetween,
            f"fewer users than validation.min_users {rules.min_users}",
            column="user_id",
            min_value=rules.min_users,
        ),
        _refuse(
            gxe.ExpectCompoundColumnsToBeUnique,
            "a pair of user and item stands twice",
            column_list=["user_id", "item_id"],
        ),
    ]


def demand_of_accepted_items(params: Params) -> list[Expectation]:
    """Return what the accepted items must be as a whole."""
    least = params.validation.min_items
    return [
        _refuse(
            gxe.ExpectTableRowCountToBeBetween,
            f"fewer than validation.min_items {least}",
            min_value=least,
        ),
        _refuse(gxe.ExpectColumnValuesToBeUnique, "item_id stands twice", column="item_id"),
        _warn(
            gxe.ExpectColumnValuesToBeBetween,
            "has no rating",
            column="ratings",
            min_value=1,
        ),
    ]


def demand_of_accepted_images(params: Params) -> list[Expectation]:
    """Return what the accepted images must be as a whole."""
    least = params.validation.min_images
    return [
        _refuse(
            gxe.ExpectTableRowCountToBeBetween,
            f"fewer than validation.min_images {least}",
            min_value=least,
        ),
        _refuse(gxe.ExpectColumnValuesToBeUnique, "sha256 stands twice", column="sha256"),
    ]


def demand_of_shares() -> list[Expectation]:
    """Return what the table of refused shares must keep to: one row a table of data."""
    return [
        _refuse(
            gxe.ExpectColumnPairValuesAToBeGreaterThanB,
            "more rows are refused than the budget allows",
            column_A="budget",
            column_B="share",
            or_equal=True,
        )
    ]


def demand_of_drift(params: Params) -> list[Expectation]:
    """Return what the table of drift must keep to: one row a batch and feature."""
    return [
        _refuse(
            gxe.ExpectColumnValuesToBeBetween,
            "differs from everything before it",
            column="psi",
            max_value=params.validation.drift.max_psi,
        )
    ]
