"""PyTorch's DataLoader around a peer's data set, idle between two measurements."""

import random
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from settings import Drain, Settings


class Draws(Sampler[int]):
    """As many random indices as were last asked for."""

    def __init__(self, stored: int, seed: int) -> None:
        self.stored = stored
        self.random = random.Random(seed)
        self.samples = 0

    def __iter__(self) -> Iterator[int]:
        return iter(self.random.choices(range(self.stored), k=self.samples))


def drain_indexed(dataset: Dataset, settings: Settings) -> Drain:
    """For data sets whose samples have numbers: an epoch has the asked number of samples."""
    draws = Draws(len(dataset), settings.seed)
    loader = _loader(dataset, settings, sampler=draws)

    def drain(samples: int) -> int:
        draws.samples = samples
        return sum(len(images) for images, _ in loader)

    return drain


def drain_epochs(dataset: IterableDataset, settings: Settings) -> Drain:
    """For data sets that decide about their order themselves: whole epochs."""
    loader = _loader(dataset, settings)

    def drain(samples: int) -> int:
        made = 0
        while made < samples:
            made += sum(len(images) for images, _ in loader)
        return made

    return drain


def _loader(dataset: Dataset, settings: Settings, sampler: Sampler | None = None) -> DataLoader:
    # The workers' seeds follow from this one.
    torch.manual_seed(settings.seed)
    return DataLoader(
        dataset,
        batch_size=settings.batch,
        sampler=sampler,
        num_workers=settings.workers,
        persistent_workers=True,
    )
