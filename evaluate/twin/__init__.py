"""Judging twin networks: single or multiple, also for structures that nobody trained on."""
