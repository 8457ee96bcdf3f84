"""Rule embed: what an encoder, or a control, makes of the validation and test patterns of all it is asked about."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from _wiring import start
from evaluate.config import TWIN_CONTROLS
from evaluate.twin.embedded import embedded_by, write_embedded
from simulate.dataset import open_dataset
from train.checkpoint import load_encoder
from train.device import choose_device
from train.embeddings import embed_frames

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
torch.set_num_threads(snakemake.threads)  # so many batches are at work side by side
wildcards = snakemake.wildcards
if wildcards.learner in TWIN_CONTROLS:
    from evaluate.twin.controls import CONTROLS

    features = CONTROLS[wildcards.learner]
else:
    features = partial(embed_frames, load_encoder(Path(snakemake.input[0]), choose_device(run.twinned.device)))
of = {}
for name in snakemake.params.about:
    dataset = open_dataset(files.dataset(name))
    of[name] = embedded_by(features, dataset, slice(dataset.splits["validation"].start, dataset.splits["test"].stop))
write_embedded(of, Path(snakemake.output[0]))
