"""Where the pixels of a run's frames lie, and where the beam meets them."""

from dataclasses import dataclass

from evaluate.virus.experiment import VirusRunConfig
from evaluate.virus.files import beam_file, geometry_file
from frames.files import read_json
from frames.geometry import Geometry


@dataclass(frozen=True)
class Place:
    """The detector of a run."""

    geometry: Geometry
    row: float
    """of the beam [pixels], from 0"""
    column: float

    @property
    def row_column(self) -> tuple[float, float]:
        """The beam's pixel as hits and sizes take it."""
        return self.row, self.column

    @property
    def xy(self) -> tuple[float, float]:
        """The beam's pixel as rings and angles take it."""
        return self.column, self.row


def place_of(run: VirusRunConfig) -> Place:
    """The detector of a run; of recorded frames as its folder holds it, FileNotFoundError where it does not yet."""
    if run.virus.recorded is not None:
        beam = read_json(beam_file(run.folder))
        return Place(Geometry.load(geometry_file(run.folder)), beam["row"], beam["column"])
    from simulate.virus.detector import CENTRE, geometry_of

    name = run.virus.simulated.detector.geometry
    row, column = CENTRE[name]
    return Place(geometry_of(name), row, column)
