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


def virus_seen_by(what):
    """What of `detection` and `selection` a method depends on, or `all` that is made for methods, or `tables`.

    Which methods and seeds there are besides is not among it: another seed leaves those that stand.
    """
    detection, selection = RUN.detection.model_dump(
        mode="json"
    ), RUN.selection.model_dump(mode="json")
    rings = {name: selection[name] for name in ("n_rings", "n_angles", "r_min_pixels")}
    if what == "all":
        scales = sorted({name.split("_")[2] for name in RUN.detection.methods})
        return rings | {
            "log": RUN.selection.em.log,
            "scales": scales,
            "image_size": RUN.detection.image_size,
        }
    if what.startswith("yolo"):
        return {name: detection[name] for name in ("image_size", "width", "recipe")}
    of_method = {"em": ("em", "em_classes"), "ours": ("finder", "rehearsal")}
    return rings | {name: selection[name] for name in of_method.get(what, ())}


def virus_rehearsed_by():
    """What of the config the simulated frames depend on that ours learns from as well."""
    selection = RUN.selection.model_dump(mode="json")
    detector = (
        None if VIRUS.recorded else VIRUS.simulation.detector.model_dump(mode="json")
    )
    return virus_settings("sizes") | {
        "detector": detector,
        **{
            name: selection[name]
            for name in ("n_rings", "n_angles", "r_min_pixels", "rehearsal")
        },
    }
