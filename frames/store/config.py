"""How a dataset lies on disk: its settings."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from frames.schema import Strict


class StorageConfig(Strict):
    """How patterns lie on disk and how the work is cut."""

    patterns_per_chunk: Annotated[int, Field(ge=1)] = 16
    patterns_per_shard: Annotated[int, Field(ge=1)] = 1024
    shards_per_job: Annotated[int, Field(ge=1)] = Field(64, description="whole shards rendered by one Snakemake job")

    @model_validator(mode="after")
    def _shards_hold_whole_chunks(self) -> Self:
        if self.patterns_per_shard % self.patterns_per_chunk:
            raise ValueError(
                f"patterns_per_shard {self.patterns_per_shard} is not a multiple of "
                f"patterns_per_chunk {self.patterns_per_chunk}"
            )
        return self
