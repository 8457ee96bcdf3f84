"""What counts as a peak, read also where nothing compiles."""

from pydantic import Field

from frames.schema import Positive, Strict


class PeakConfig(Strict):
    """What counts as a peak."""

    min_snr: Positive = Field(5.5, description="deviations of the local noise, of a pixel smoothed with (1, 2, 1)²")
    min_pixels: int = Field(2, ge=1, le=9, description="of 3 x 3 that stand out themselves: 1 lets hot pixels through")
    photon_adu: Positive | None = Field(
        None, description="what one photon reads: needed where a pixel has about one or less, else of no account"
    )
    calm: float = Field(
        0.5, gt=0, le=0.5, description="share of a frame's tiles without sharp rings; below 1/2 these tell the noise"
    )
    ring_inner: Positive = Field(3.0, description="pixels; nearest of those that make the background")
    ring_outer: Positive = Field(10.0, description="pixels; farthest of these", le=20)
    apart: Positive = Field(2.5, description="pixels; of two peaks nearer than that the lower is left out")
    max_radius: Positive | None = Field(None, description="pixels from the middle of the frame; none farther is kept")
