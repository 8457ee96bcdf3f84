# What the rules share: the run's lists, and functions of wildcards.

SIMULATION, STUDY = RUN.simulation, RUN.study
STRUCTURES = [structure.id for structure in SIMULATION.structures]
# Molecules made up by chance come by the hundred: one job makes all of them, another all their volumes.
RANDOM = [name for name in STRUCTURES if RANDOM_NAME.fullmatch(name)]
NAMED_STRUCTURES = [name for name in STRUCTURES if name not in RANDOM]
MODELS_TRAINED = RUN.training.models if RUN.training else {}
TRAININGS = RUN.training.trainings if RUN.training else []
PREDICTIONS = [FILES.predictions(*learner) for learner in predictors(STUDY)]
N_TRAININGS = len(TRAININGS) + (len(RUN.twins.trainings) if RUN.twins else 0)
TRANSFERS = [FILES.predictions(*transfer) for transfer in transfers(STUDY)]
TABLES = table_names(STUDY)
SHOWN = shown_names(RUN)
PAGE_PARTS = ("elements", "simulated", "results", "photons", "datasets")


wildcard_constraints:
    structure="|".join(NAMED_STRUCTURES) or "none",
    dataset="|".join(SIMULATION.datasets),
    trained_on="|".join(SIMULATION.datasets),
    evaluate_on="|".join(SIMULATION.datasets),
    placement="|".join(MODELS),
    reach=r"q\d+(\.\d+)?",
    model="|".join([*MODELS_TRAINED, *RUN.evaluation.ensembles, *BASELINES]),
    seed=r"\d+",
    job=r"\d+",


def files_of(structures, file):
    """The files of these structures; in place of those of random molecules the folder that holds them."""
    single = [file(name) for name in structures if name not in RANDOM]
    return single + ([file(RANDOM[0]).parent] if len(single) < len(structures) else [])


def volumes_of(name):
    """How finely the structures of a dataset are sampled, as far as it reaches."""
    reach = reach_of(SIMULATION.datasets[name])
    return files_of(
        SIMULATION.selected(name), lambda structure: FILES.volume(structure, reach)
    )


def settings(*sections):
    """The sections of the simulation's config that an output depends on; a changed value makes it again."""
    whole = SIMULATION.model_dump(mode="json")
    return {section: whole[section] for section in sections}


def structure_settings(wildcards):
    return SIMULATION.structure(wildcards.structure).model_dump(mode="json")


def structure_file(wildcards):
    """A structure's own file is an input; entries of the archive are found, and checked, by the job."""
    structure = SIMULATION.structure(wildcards.structure)
    return [structure.path] if structure.source == "file" else []


def files_of_pieces(wildcards):
    """What random molecules are made up of: files of the run; entries of the archive are found by the job."""
    whole = {
        s.piece_of for s in SIMULATION.structures if s.piece_of and s.source == "file"
    }
    return [SIMULATION.structure(name).path for name in sorted(whole)]


def contents_of(files):
    """Digests of a user's files: one may be exchanged for an older one, of which times do not tell."""
    # Not a function of `input`: params that are do not make Snakemake run a job again.
    return lambda wildcards: [
        sha256(file) for file in files(wildcards) if Path(file).is_file()
    ]


def dataset_settings(wildcards):
    return SIMULATION.datasets[wildcards.dataset].model_dump(mode="json")


def geometry_settings(wildcards):
    dataset = SIMULATION.datasets[wildcards.dataset]
    return {
        "photon_energy_eV": dataset.beam.photon_energy_eV,
        "detector": dataset.detector.model_dump(mode="json"),
    }


def mask_of(wildcards):
    mask_file = SIMULATION.datasets[wildcards.dataset].detector.mask_file
    return [] if mask_file is None else [mask_file]


def plan_of(wildcards):
    return FILES.plan(SIMULATION.datasets[wildcards.dataset].placement)


def fields_of(wildcards):
    """Volumes of a dataset's structures, as far as it reaches; skopi's engine makes its own."""
    dataset = SIMULATION.datasets[wildcards.dataset]
    if dataset.engine == "skopi":
        return []
    structures = SIMULATION.selected(wildcards.dataset)
    return files_of(structures, lambda name: FILES.field(name, reach_of(dataset)))


def atoms_of(wildcards):
    """Atoms of a dataset's structures, where the engine is skopi's."""
    by_skopi = SIMULATION.datasets[wildcards.dataset].engine == "skopi"
    structures = SIMULATION.selected(wildcards.dataset) if by_skopi else []
    return files_of(structures, FILES.atoms)


def training_settings(wildcards):
    """What decides a model's weights, beside the dataset and the seed."""
    whole = MODELS_TRAINED[wildcards.model].model_dump(mode="json")
    return {key: whole[key] for key in ("network", "recipe")}


def predictor_inputs(wildcards):
    """What answers: a trained network, what an ensemble's members answered, or what a baseline learns from."""
    if wildcards.model in BASELINES:
        return FILES.card(wildcards.trained_on)
    if members := RUN.members(wildcards.trained_on).get(wildcards.model):
        asked = wildcards.evaluate_on
        return [
            FILES.predictions(wildcards.trained_on, *member, asked)
            for member in members
        ]
    return FILES.model(wildcards.trained_on, wildcards.model, wildcards.seed)


def predict_digest(wildcards):
    """Digest of the code that answers; a network's own is in what trained it."""
    by_baseline = wildcards.model in BASELINES
    learner = (
        f"evaluate.baselines.{wildcards.model}"
        if by_baseline
        else "train.inference.predict"
    )
    return source_digest(
        "evaluate.predictions.predictions", learner, without=[registry.__name__]
    )


def source_of(wildcards):
    """What a model learns from beside the dataset."""
    return learned_from(MODELS_TRAINED[wildcards.model].recipe, wildcards)


def learned_from(recipe, wildcards):
    """A recipe's teacher, and what patterns of a dataset are rendered from, where it asks for fresh ones."""
    taught = {"teacher": recipe.teacher} if recipe.teacher else {}
    return taught | (rendered_from(wildcards) if recipe.on_the_fly else {})


def rendered_from(wildcards):
    return {
        "plan": plan_of(wildcards),
        "geometry": FILES.geometry(wildcards.dataset),
        "volumes": fields_of(wildcards),
        "atoms": files_of(SIMULATION.selected(wildcards.dataset), FILES.atoms),
    }


def jobs_of(dataset):
    """Numbers of the jobs that render a dataset."""
    return range(len(shards_by_job(SIMULATION, dataset)))


def shards_of(wildcards):
    """Shards that one job renders."""
    return list(shards_by_job(SIMULATION, wildcards.dataset)[int(wildcards.job)])


def training_work(job):
    """Patterns, as often as they are learned."""
    epochs = MODELS_TRAINED[job.model].recipe.epochs
    return epochs * work.n_patterns(RUN, job.dataset, "train")
