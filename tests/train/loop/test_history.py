"""Rows of a history that were kept with a network under older names."""

from dataclasses import asdict

import pytest

from train.tasks.detect import DetectEpoch
from train.tasks.find_single import FindEpoch

ROWS = (
    FindEpoch(3, 0.5, 0.6, 0.9, 10.0, 1.0, validation_f1=0.25, predictions_alike=True),
    DetectEpoch(3, 0.5, 0.6, 0.9, 10.0, 1.0, 0.25, 0.2, 0.4, predictions_alike=True),
)


@pytest.mark.parametrize("row", ROWS)
def test_rows_kept_under_older_names_are_read_as_todays(row) -> None:
    kept = asdict(row)
    older = {"answers_alike" if name == "predictions_alike" else name: value for name, value in kept.items()}
    assert older != kept
    assert type(row).of_saved(older) == type(row).of_saved(kept) == row
    assert row.collapsed
