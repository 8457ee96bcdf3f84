# What the rules of twin networks share: lists, and functions of wildcards.

TWINS = RUN.twins
TWIN_SHOWN = twin_shown_names(RUN)
CONTROLS = RUN.evaluation.twins.baselines
TWIN_FOLDERS = [twin_folder(FILES, training) for training in TWINS.trainings]
LEARNERS = [*TWINS.trainings, *controls(RUN)]
EMBEDDINGS = [embeddings_file(FILES, learner) for learner in LEARNERS]
TWIN = FILES.twin("{dataset}", "{encoder}", "{fold}", "{shape}", "{seed}")
CONTROL = FILES.twin("{dataset}", "{control}", "none", "d0-m0", "0")


wildcard_constraints:
    encoder="|".join(TWINS.encoders),
    control="|".join(CONTROLS) or "none",
    learner="|".join([*TWINS.encoders, *CONTROLS]),
    fold="|".join(["none", *TWINS.families]),
    shape=r"d\d+-m[\d.e+-]+",


def twin_source_of(wildcards):
    """What an encoder learns from beside the dataset."""
    return learned_from(TWINS.encoders[wildcards.encoder].recipe, wildcards)


def twin_start_of(wildcards):
    """The twin whose weights a training begins with."""
    training = next(
        t
        for t in TWINS.trainings
        if twin_folder(FILES, t)
        == FILES.twin(
            wildcards.dataset,
            wildcards.encoder,
            wildcards.fold,
            wildcards.shape,
            wildcards.seed,
        )
    )
    start = TWINS.start_of(training)
    return {} if start is None else {"start": twin_folder(FILES, start) / "model.pt"}


def twin_settings(wildcards):
    """What decides an encoder's weights, beside the dataset, the seed, and what is in its path."""
    whole = TWINS.encoders[wildcards.encoder].model_dump(mode="json")
    settings = {key: whole[key] for key in ("network", "recipe")}
    return settings | {"held_out": RUN.held_out(wildcards.fold)}


def learner_of(wildcards):
    """The training, or control, that a path is of."""
    return next(
        learner
        for learner in LEARNERS
        if embeddings_file(FILES, learner)
        == FILES.embeddings(
            wildcards.dataset,
            wildcards.learner,
            wildcards.fold,
            wildcards.shape,
            wildcards.seed,
        )
    )


def embeds(wildcards):
    """What embeds: a trained encoder; a control's features need only what they are compared with."""
    name = "support.npz" if wildcards.learner in CONTROLS else "model.pt"
    where = (wildcards.dataset, wildcards.learner, wildcards.fold, wildcards.shape)
    return FILES.twin(*where, wildcards.seed) / name


def embedding_source(wildcards):
    """Digest of the code that embeds; a network's own is in what trained it."""
    is_control = wildcards.learner in CONTROLS
    learner = (
        "evaluate.baselines.feature_controls" if is_control else "train.inference.embed"
    )
    return source_digest(
        "evaluate.predictions.embeddings", learner, without=[registry.__name__]
    )


def twin_mb(wildcards, input, threads):
    recipe = TWINS.encoders[wildcards.encoder].recipe
    return training_loop_mb(wildcards.dataset, recipe, input.get("volumes", []))


def twin_minutes(wildcards, input, threads):
    return training_loop_minutes(
        wildcards.dataset, TWINS.encoders[wildcards.encoder].recipe
    )


def twin_priority(wildcards):
    """What takes longest goes first: at the end no core waits for it."""
    return training_loop_minutes(
        wildcards.dataset, TWINS.encoders[wildcards.encoder].recipe
    )


def twin_work(job):
    """Patterns, as often as they are learned."""
    epochs = TWINS.encoders[job.encoder].recipe.epochs
    return epochs * work.twin_patterns(RUN, job.dataset, job.fold)


def twin_kind(job):
    """Trainings that cost alike, pattern by pattern."""
    encoder = TWINS.encoders[job.encoder]
    kind = work.network_kind(encoder.network, encoder.recipe)
    return f"{kind}, {encoder.recipe.mining}"


def embedded(learner):
    """Patterns that a training, or a control, is evaluated on."""
    return sum(
        work.n_patterns(RUN, name, "validation", "test")
        for name in evaluate_on(RUN, learner)
    )
