"""Files of a beamline in place of a simulation: the section `virus.files` of a run's config."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from frames.formats.masks import MaskMeans
from frames.schema import Strict

if TYPE_CHECKING:
    from frames.formats.spi.labels import Labels
    from frames.formats.spi.recording import Recording

Positive = Annotated[float, Field(gt=0)]


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str | Path) else value


class FilesConfig(Strict):
    """Frames, a person's labels, and what the files do not say of themselves."""

    frames: Annotated[tuple[Path, ...], BeforeValidator(_one_or_more), Field(min_length=1)] = Field(
        description="one file or several, which are one run: frames are numbered through all of them, from 0"
    )
    labels: Path = Field(description="CSV with columns frame and single, perhaps file and split")
    dataset: str | None = Field(None, description="of the frames in HDF5; by default the usual places")
    mask: str | None = Field(None, description="dataset or .npy file, not 0 where unusable; none: every pixel counts")
    mask_means: MaskMeans | None = Field(None, description="what nonzero means in masks: bad, good, or bits of cxi")
    centre_px: tuple[float, float] | None = Field(None, description="x and y of the beam [pixels], from 0")
    photon: Positive | None = Field(None, description="what the files count for a photon; by default they hold counts")
    photon_energy_eV: Positive | None = None
    distance_mm: Positive | None = None
    pixel_size_um: Positive | None = None
    skip: tuple[Annotated[int, Field(ge=0)], ...] = Field((), description="damaged frames that are left out")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="which labelled frames go to which split")

    @property
    def read(self) -> list[Path]:
        """Every file that is read."""
        mask = [Path(self.mask)] if self.mask is not None and self.mask.endswith(".npy") else []
        return [*self.frames, self.labels, *mask]

    def recording(self) -> "Recording":
        """The frames; see `open_recording`."""
        from frames.formats.spi.recording import Said, open_recording

        said = Said(
            self.dataset, self.mask, self.mask_means, self.centre_px, self.photon, self.photon_energy_eV,
            self.distance_mm, self.pixel_size_um, frozenset(self.skip),
        )  # fmt: skip
        return open_recording(self.frames, said)

    def labelled(self, recording: "Recording") -> "Labels":
        """A person's labels of the frames; ValueError, too, for one of a frame that is left out."""
        from frames.formats.spi.labels import read_labels

        labels = read_labels(self.labels, len(recording), recording.ranges())
        if both := sorted(set(labels.frames.tolist()) & set(self.skip)):
            raise ValueError(f"{self.labels} labels frame {both[0]}, which is left out by virus.files.skip; choose one")
        return labels
