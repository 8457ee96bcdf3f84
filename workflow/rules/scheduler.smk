# Snakemake's scheduler, mended: snakemake/snakemake#3744.


def look_for_jobs_once():
    """Take the default limit of 100 new jobs a second from the scheduler.

    Every look for ready jobs sets a timer to look again in a second, and every job that ends is one more look: after
    500 jobs Snakemake looks 500 times a second. A limit that the user asked for stays.
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
