"""MosaicML Streaming with encoded files as bytes."""

from pathlib import Path
from typing import Any

import numpy as np
from streaming import MDSWriter, StreamingDataset
from streaming.base.util import clean_stale_shared_memory

import opencv_augment
from frames import Frames
from opencv_augment import OpencvAugment
from settings import Drain, Settings
from torch_loading import drain_epochs

PACKAGES = ("mosaicml-streaming", "torch", *opencv_augment.PACKAGES)


class MosaicFrames(StreamingDataset):
    """Local shards in random order."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(
            local=str(folder),
            batch_size=settings.batch,
            shuffle=True,
            shuffle_seed=settings.seed,
            num_canonical_nodes=1,
        )
        self.augment = OpencvAugment(settings)

    def __getitem__(self, at: Any) -> tuple[np.ndarray, np.ndarray]:
        sample = super().__getitem__(at)
        return self.augment(*opencv_augment.decode(sample["image"], sample["label"]))


def pack(source: Frames, folder: Path) -> None:
    columns = {"image": "bytes", "label": "bytes"}
    with MDSWriter(out=str(folder / "mds"), columns=columns) as writer:
        for image, labels in zip(source.images(), source.labels(), strict=True):
            writer.write({"image": image.read_bytes(), "label": labels.read_bytes()})


def start(source: Frames, folder: Path, settings: Settings) -> Drain:
    # A killed run leaves segments behind, which stop the next one.
    clean_stale_shared_memory()
    return drain_epochs(MosaicFrames(folder / "mds", settings), settings)
