"""WebDataset: encoded files in tar shards, one for each worker."""

from pathlib import Path

import webdataset

import opencv_augment
from frames import Frames
from opencv_augment import OpencvAugment
from settings import Drain, Settings
from torch_loading import drain_epochs

PACKAGES = ("webdataset", "torch", *opencv_augment.PACKAGES)

SHARDS = 4


def pack(source: Frames, folder: Path) -> None:
    pairs = list(zip(source.images(), source.labels(), strict=True))
    for shard in range(SHARDS):
        with webdataset.TarWriter(str(folder / f"{shard:03}.tar")) as writer:
            for image, labels in pairs[shard::SHARDS]:
                sample = {"image.png": image.read_bytes(), "label.png": labels.read_bytes()}
                writer.write({"__key__": image.stem, **sample})


def start(source: Frames, folder: Path, settings: Settings) -> Drain:
    augment = OpencvAugment(settings)
    shards = sorted(str(path) for path in folder.glob("*.tar"))
    dataset = (
        webdataset.WebDataset(shards, shardshuffle=SHARDS, seed=settings.seed)
        .shuffle(8)
        .to_tuple("image.png", "label.png")
        .map(lambda pair: augment(*opencv_augment.decode(*pair)))
    )
    return drain_epochs(dataset, settings)
