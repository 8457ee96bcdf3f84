"""Rule predict: predictions of a network, an ensemble or a baseline: on what it learned from, or another test split."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.predictions.predictions import averaged, predict_splits, read_predictions, write_predictions
from evaluate.run.job import start
from evaluate.run.sections import BASELINES
from frames.store.dataset import open_dataset

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
output = Path(snakemake.output[0])
wildcards = snakemake.wildcards
if wildcards.model in run.evaluation.ensembles:
    write_predictions(averaged([read_predictions(path, split=None) for path in snakemake.input.learned]), output)
else:
    if wildcards.model in BASELINES:
        from evaluate.baselines import registry

        learn = registry.BASELINES[wildcards.model]
        predictor = learn(open_dataset(files.dataset(wildcards.trained_on)), int(wildcards.seed))
    else:
        import torch  # which takes longer to import than a baseline does to learn

        from train.inference.predict import predict
        from train.loop.checkpoint import load_model
        from train.loop.device import choose_device

        torch.set_num_threads(snakemake.threads)  # so many batches are at work side by side
        predictor = partial(predict, load_model(Path(snakemake.input.learned), choose_device(run.trained.device)))
    dataset = open_dataset(files.dataset(wildcards.evaluate_on))
    splits = ("validation", "test") if wildcards.evaluate_on == wildcards.trained_on else ("test",)
    write_predictions(predict_splits(predictor, dataset, splits), output)
