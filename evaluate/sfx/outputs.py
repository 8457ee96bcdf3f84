"""Where what is learned about hits lies in a run's folder."""

from pathlib import Path

from evaluate.run.files import RunFiles

TABLES = ("sfx", "sfx_calibration", "sfx_failures", "sfx_speed", "sfx_overlap", "sfx_training")
FIGURES = (
    *("sfx_frames.png", "sfx_contrast.png", "sfx_recall.svg", "sfx_embedding.svg"),
    *("sfx_dann.svg", "sfx_failures.svg", "sfx_mistakes.png"),
)
"""Each is drawn; where a run has nothing for it, it says so."""


def prepared_file(files: RunFiles, dataset: str) -> Path:
    """A dataset's frames as networks take them."""
    return files.folder / "prepared" / f"{dataset}.npz"


def predictions_file(files: RunFiles, dataset: str, system: str) -> Path:
    """What a system that learned on a dataset says of all."""
    return files.folder / "predictions" / dataset / f"{system}.parquet"


def models_folder(files: RunFiles) -> Path:
    """Folder of all trainings."""
    return files.folder / "models"


def features_file(files: RunFiles) -> Path:
    """What the page shows of frames, features and mistakes."""
    return files.folder / "sfx_shown.npz"


def page_file(files: RunFiles) -> Path:
    """The page about hit finding."""
    return files.folder / "sfx.html"
