"""What every peer is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

# Takes a number of samples; lets the peer make at least so many; returns how many it made, with
# nothing left under way.
Drain = Callable[[int], int]


@dataclass(frozen=True)
class Settings:
    """The task of one run: crops of one size in batches, u8, channels first."""

    crop: int = 768
    batch: int = 4
    workers: int = 2
    filter: str = "bicubic"
    seed: int = 1
