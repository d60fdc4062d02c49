"""NVIDIA DALI on the CPU alone, for which it was not built."""

from pathlib import Path

from nvidia.dali import fn, math, pipeline_def, types

from frames import Frames
from settings import Drain, Settings

PACKAGES = ("nvidia-dali-cuda120",)

FILTERS = {"bilinear": types.INTERP_LINEAR, "bicubic": types.INTERP_CUBIC}


def pack(source: Frames, folder: Path) -> None:
    """It reads the files themselves."""


def start(source: Frames, folder: Path, settings: Settings, image_format: str = "png") -> Drain:
    pipeline = crops(
        images=[str(path) for path in source.images(image_format)],
        labels=[str(path) for path in source.labels()],
        size=source.size(),
        settings=settings,
        batch_size=settings.batch,
        num_threads=settings.workers,
        device_id=None,
        seed=settings.seed,
    )
    pipeline.build()

    def drain(samples: int) -> int:
        made = 0
        while made < samples:
            images, _ = pipeline.run()
            made += len(images)
        return made

    return drain


@pipeline_def
def crops(images: list[str], labels: list[str], size: tuple[int, int], settings: Settings):
    """Crop first, in DALI's operators; the same draws for image and label."""
    # Readers of equal seeds and lengths go through their files alike.
    read = {"random_shuffle": True, "seed": settings.seed, "initial_fill": len(images)}
    encoded, _ = fn.readers.file(files=images, name="images", **read)
    encoded_labels, _ = fn.readers.file(files=labels, name="labels", **read)
    image = fn.decoders.image(encoded, device="cpu", output_type=types.RGB)
    ids = fn.decoders.image(encoded_labels, device="cpu", output_type=types.GRAY)

    scale = fn.random.uniform(range=(0.5, 2))
    rows, first_row = _span(size[1], scale, settings.crop)
    columns, first_column = _span(size[0], scale, settings.crop)
    window = {
        "roi_start": fn.stack(first_row, first_column),
        "roi_end": fn.stack(first_row + rows / scale, first_column + columns / scale),
        "size": fn.stack(rows, columns),
    }
    image = fn.resize(image, interp_type=FILTERS[settings.filter], **window)
    ids = fn.resize(ids, interp_type=types.INTERP_NN, **window)

    place = {
        "crop": (settings.crop, settings.crop),
        "crop_pos_x": fn.random.uniform(range=(0, 1)),
        "crop_pos_y": fn.random.uniform(range=(0, 1)),
        "out_of_bounds_policy": "pad",
    }
    mirror = fn.random.coin_flip()
    ids = fn.flip(fn.crop(ids, fill_values=255, **place), horizontal=mirror)
    image = fn.flip(fn.crop(image, fill_values=0, **place), horizontal=mirror)
    image = fn.color_twist(
        image,
        brightness=fn.random.uniform(range=(0.6, 1.4)),
        contrast=fn.random.uniform(range=(0.6, 1.4)),
        saturation=fn.random.uniform(range=(0.6, 1.4)),
        hue=fn.random.uniform(range=(-36, 36)),
    )
    image = fn.gaussian_blur(image, sigma=fn.random.uniform(range=(0.15, 1.3)))
    return fn.transpose(image, perm=(2, 0, 1)), ids


def _span(source: int, scale, crop: int):
    """Pixels of the crop that show the frame, and the first source pixel under them."""
    visible = math.min(math.floor(source * scale), float(crop))
    return visible, fn.random.uniform(range=(0, 1)) * (source - visible / scale)
