"""Patterns of a dataset's experiment that no dataset holds, rendered while they are asked for.

A pattern's random numbers follow from its class and its running number there. A plan takes the first
`patterns_per_class` numbers of every class, for training, validation and test; fresh patterns go on after them, so none
is ever one of those, and none comes twice.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from frames.readout import readout
from simulate.config import SimulationConfig
from simulate.molecules.atoms import Atoms
from simulate.plan import plan as plans
from simulate.plan.placement import Body, body_of
from simulate.plan.shots import draw
from simulate.render import images as render

if TYPE_CHECKING:
    import torch

SEEDS_APART = 2**31
"""Running numbers between those of one training seed and of the next."""


@dataclass(frozen=True)
class Source:
    """One dataset's experiment."""

    config: SimulationConfig
    name: str
    """of the dataset"""
    inputs: render.Inputs

    def only(self, structures: Collection[str]) -> "Source":
        """The same experiment with these structures alone, by id."""
        inputs = replace(
            self.inputs,
            volumes={name: file for name, file in self.inputs.volumes.items() if name in structures},
            atoms={name: file for name, file in self.inputs.atoms.items() if name in structures},
        )
        return replace(self, inputs=inputs)

    @property
    def engine(self) -> str:
        """What renders the dataset."""
        return self.config.datasets[self.name].engine

    @cached_property
    def _bodies(self) -> Mapping[str, Body]:
        return {name: body_of(Atoms.load(file).positions) for name, file in self.inputs.atoms.items()}

    @property
    def patterns_per_class(self) -> int:
        """Fresh patterns of every class in an epoch, as many as the plan has for training, before any selection."""
        return self.config.plan.split_sizes["train"]

    def plan(self, epoch: int, seed: int) -> plans.Plan:
        """What is shot in this epoch, from 0, of a training with this seed; in random order.

        As many patterns of every class as the dataset has for training.

        Raises
        ------
        OverflowError where the numbers of one seed would run into those of the next.
        """
        taken, size = self.config.plan.patterns_per_class, self.patterns_per_class
        first = taken + epoch * size
        if first + size > SEEDS_APART:
            raise OverflowError(f"epoch {epoch} needs more than {SEEDS_APART} patterns a class; train for fewer epochs")
        config = self.config.plan.model_copy(update={"patterns_per_class": size})
        chosen = self.config.datasets[self.name]
        drawn = plans.unplaced(config, list(self._bodies), first_number=SEEDS_APART * seed + first)
        drawn = drawn.take(np.random.default_rng((seed, epoch)).permutation(len(drawn)))
        drawn.table["split"] = "train"
        kept = plans.select(drawn, chosen.select.shares)  # placing takes longest
        return plans.placed(kept, chosen.placement, self._bodies, config)

    def read(self, rows: plans.Plan) -> NDArray[np.float32]:
        """Patterns (n, ny, nx) of these rows as the detector reads them, exactly as a dataset would hold them."""
        chosen = self.config.datasets[self.name]
        images = render.images(rows, self.inputs, self.config, self.name)
        if chosen.record == "expected":
            return images
        live = render.load_geometry(self.inputs.geometry).live
        return readout.read(images, chosen.readout, rows.table["seed"].to_numpy(np.uint64), live)

    def on(self, device: "torch.device") -> "Callable[[plans.Plan, torch.Generator], torch.Tensor]":
        """`read` on a device that the patterns never leave; photons and noise are the generator's."""
        import torch

        from simulate.experiment.detector_torch import record

        chosen = self.config.datasets[self.name]
        geometry = render.load_geometry(self.inputs.geometry)
        volumes = render.load_volumes(tuple(self.inputs.volumes.values()))
        expected_frames = render.expected_frames_on(volumes, geometry, chosen, device)
        live = torch.as_tensor(geometry.live, dtype=torch.float32, device=device)

        def read(rows: plans.Plan, generator: torch.Generator) -> torch.Tensor:
            expected = expected_frames(draw(rows, chosen))
            if chosen.record == "expected":
                return expected
            return record(expected, chosen.readout, live, generator)

        return read
