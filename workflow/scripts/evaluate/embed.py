"""Rule embed: what an encoder, or a control, makes of the validation and test patterns of all it is evaluated on."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.predictions.embeddings import embedded_by, write_embedded
from evaluate.run.job import start
from evaluate.run.sections import TWIN_CONTROLS
from frames.store.dataset import open_dataset

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
wildcards = snakemake.wildcards
if wildcards.learner in TWIN_CONTROLS:
    from evaluate.baselines.feature_controls import CONTROLS

    features = CONTROLS[wildcards.learner]
else:
    import torch  # which takes longer to import than a control does to embed

    from train.inference.embed import embed_frames
    from train.loop.checkpoint import load_encoder
    from train.loop.device import choose_device

    torch.set_num_threads(snakemake.threads)  # so many batches are at work side by side
    features = partial(embed_frames, load_encoder(Path(snakemake.input[0]), choose_device(run.twinned.device)))
of = {}
for name in snakemake.params.about:
    dataset = open_dataset(files.dataset(name))
    of[name] = embedded_by(features, dataset, slice(dataset.splits["validation"].start, dataset.splits["test"].stop))
write_embedded(of, Path(snakemake.output[0]))
