"""Rule predict: what a network, or the baseline from total intensity, answers for the test split."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from _wiring import start
from evaluate.baselines import total_intensity
from evaluate.predictions import predict_split, write_predictions
from simulate.dataset import open_dataset
from train.checkpoint import load_model
from train.device import choose_device

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
torch.set_num_threads(snakemake.threads)  # more than the job was given would wait for each other at every operation
dataset = open_dataset(files.dataset(snakemake.wildcards.dataset))
if snakemake.wildcards.model == "total_intensity":
    predictions = total_intensity(dataset, seed=int(snakemake.wildcards.seed))
else:
    trained = load_model(Path(snakemake.input.model), choose_device(run.training.device))
    predictions = predict_split(trained, dataset, "test")
write_predictions(predictions, Path(snakemake.output[0]))
