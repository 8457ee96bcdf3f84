"""What is true of the patterns that predictions are about."""

import pandas as pd

from frames.store.dataset import Dataset


def target_labels(dataset: Dataset, split: str) -> pd.DataFrame:
    """What the patterns of one split are: a column for each target of the dataset, as predictions have it."""
    rows = dataset.splits[split]
    return pd.DataFrame({target.name: target.values(dataset.labels(target.name)[rows]) for target in dataset.targets})
