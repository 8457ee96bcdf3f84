"""What each pattern's pulse hits: the settings."""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from frames.schema import Fraction, Positive, Strict


def share_of(n_patterns: int, share: float) -> int:
    """How many of so many patterns a share of them is."""
    return round(share * n_patterns)


class SplitConfig(Strict):
    """Fractions of every class."""

    train: Positive = 0.7
    validation: Positive = 0.1
    test: Positive = 0.2

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        if not math.isclose(total := self.train + self.validation + self.test, 1.0, abs_tol=1e-9):
            raise ValueError(f"split fractions sum to {total:g}, expected 1")
        return self


class PlacementConfig(Strict):
    """Lengths of the placement models, simulate/plan/placement.py."""

    contact_distance_angstrom: Annotated[float, Field(gt=0, le=1e4)] = Field(
        4.0, description="surface_contact: between the nearest atoms of two particles that touch"
    )
    dispersion_radius_um: Annotated[float, Field(gt=0, le=1e4)] = Field(
        0.5, description="dispersed: particles lie evenly in a cylinder along the beam, this long from its middle"
    )


class PlanConfig(Strict):
    """What is shot: one row per pattern."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    hit_multiplicities: tuple[Annotated[int, Field(ge=0, le=16)], ...] = Field(
        (1, 2, 3, 4), description="particles in a shot; 0 is background alone, a class of no structure"
    )
    patterns_per_class: Annotated[int, Field(ge=1)] = 5000
    split: SplitConfig = SplitConfig()
    placement: PlacementConfig = PlacementConfig()
    mixed_fraction: Fraction = Field(
        0.0, description="of the multi-hits; all but their first particle, which names the class, are of any structure"
    )

    @model_validator(mode="after")
    def _multiplicities_are_unique(self) -> Self:
        if len(set(self.hit_multiplicities)) != len(self.hit_multiplicities) or not self.hit_multiplicities:
            raise ValueError(f"hit_multiplicities {list(self.hit_multiplicities)} must be non-empty and unique")
        if self.hit_multiplicities == (0,):
            raise ValueError("hit_multiplicities [0] hit nothing; name at least one other")
        for name, n_patterns in self.split_sizes.items():
            if n_patterns < 1:
                raise ValueError(
                    f"patterns_per_class {self.patterns_per_class} leaves no {name} pattern per class; raise it"
                )
        return self

    @property
    def split_sizes(self) -> dict[str, int]:
        """Patterns of every class in each split: exact fractions, the same in every class."""
        size = self.patterns_per_class
        first_validation = round(self.split.train * size)
        first_test = round((self.split.train + self.split.validation) * size)
        return {
            "train": first_validation,
            "validation": first_test - first_validation,
            "test": size - first_test,
        }
