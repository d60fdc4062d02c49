"""LitData: encoded files as bytes in its chunks."""

from pathlib import Path
from typing import Any

import litdata
import numpy as np

import opencv_augment
from frames import Frames
from opencv_augment import OpencvAugment
from settings import Drain, Settings

PACKAGES = ("litdata", "torch", *opencv_augment.PACKAGES)


class LitFrames(litdata.StreamingDataset):
    """Local chunks in random order."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__(str(folder), shuffle=True, seed=settings.seed)
        self.augment = OpencvAugment(settings)

    def __getitem__(self, index: Any) -> tuple[np.ndarray, np.ndarray]:
        sample = super().__getitem__(index)
        return self.augment(*opencv_augment.decode(sample["image"], sample["label"]))


def read_pair(pair: tuple[str, str]) -> dict[str, bytes]:
    image, labels = pair
    return {"image": Path(image).read_bytes(), "label": Path(labels).read_bytes()}


def pack(source: Frames, folder: Path) -> None:
    pairs = zip(map(str, source.images()), map(str, source.labels()), strict=True)
    litdata.optimize(
        fn=read_pair,
        inputs=list(pairs),
        output_dir=str(folder / "chunks"),
        chunk_bytes="32MB",
        num_workers=1,
    )


def start(source: Frames, folder: Path, settings: Settings) -> Drain:
    loader = litdata.StreamingDataLoader(
        LitFrames(folder / "chunks", settings),
        batch_size=settings.batch,
        num_workers=settings.workers,
        persistent_workers=True,
    )

    def drain(samples: int) -> int:
        made = 0
        while made < samples:
            made += sum(len(images) for images, _ in loader)
        return made

    return drain
