# What the rules of a run on a virus share.


def virus_shards(job):
    """Shards that a job makes."""
    return virus_jobs()[int(job)]


def virus_jobs():
    """Shards of each job."""
    n = virus_layout(VIRUS.simulation, VIRUS.storage).n_shards
    step = VIRUS.storage.shards_per_job
    return [list(range(n)[first : first + step]) for first in range(0, n, step)]


def virus_settings(*sections):
    """What of the config a rule depends on."""
    return {name: VIRUS.model_dump(mode="json")[name] for name in sections}


def virus_frames():
    """Frames of the run; of recorded ones the bytes of their files tell how many there are, about."""
    if VIRUS.recorded:
        return (
            sum(path.stat().st_size for path in VIRUS.files.frames if path.exists())
            // 2**17
            + 1
        )
    return sum(VIRUS.simulation.shots.values())
