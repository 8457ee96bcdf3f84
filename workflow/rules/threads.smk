# How many threads jobs have. What they make does not hang on it, but for how sums in a training are rounded.

IS_LOCAL = workflow.is_main_process and workflow.nodes is None
"""Whether jobs share this machine; their number (--jobs) must be given where they go to a cluster."""


def shared_cores(jobs, most):
    """Threads of each of so many jobs alike: of this machine's cores a share, at most `most`; on a cluster `most`.

    Jobs of one thread side by side get more done than jobs of many one after the other, and by far more where other
    programs want the cores too: threads wait for each other, jobs do not.
    """
    if not IS_LOCAL:
        return most
    cores = workflow.resource_settings.cores or 1
    return max(1, min(most, cores // max(1, jobs)))


def network_threads(section, jobs, most):
    """Threads of each of so many jobs that run networks of this section of the config; on a GPU they take turns."""
    if has_gpu() and section and section.device != "cpu":
        return most
    return shared_cores(jobs, most)


def training_threads(section, jobs):
    """Threads of each of so many trainings of a section of the config: as many as it says, or at most 16."""
    return section.threads or network_threads(section, jobs, most=16)
