"""Writes vectors.safetensors: small images and what Pillow 13.0.0 makes of them.

Run in this folder: python3 make_vectors.py

Images are [H, W, 3] bytes. `large` has enough pixels for equalize to change something; in `flat` the
red channel has one level and the green one two, where autocontrast and equalize stop early.
"""

import json
import random
import struct

from PIL import Image, ImageEnhance, ImageOps


def noise(seed, width, height, low, high):
    """Random levels between a channel's bounds, in three steps of brightness from left to right."""
    draw = random.Random(seed)
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            shade = (1 + 3 * x // width) / 3
            levels = (int(draw.randint(low[c], high[c]) * shade) for c in range(3))
            image.putpixel((x, y), tuple(levels))
    return image


def flat(width, height):
    image = noise(3, width, height, (0, 0, 0), (255, 255, 255))
    for y in range(height):
        for x in range(width):
            image.putpixel((x, y), (77, 90 + x % 2, image.getpixel((x, y))[2]))
    return image


def main():
    small = noise(1, 11, 9, (0, 0, 0), (255, 255, 255))
    large = noise(2, 28, 20, (30, 0, 90), (180, 255, 101))
    images = {"small": small, "large": large, "flat": flat(17, 16)}
    for name in ("large", "flat"):
        images[f"autocontrast_{name}"] = ImageOps.autocontrast(images[name])
        images[f"equalize_{name}"] = ImageOps.equalize(images[name])
    for bits in (1, 4, 7):
        images[f"posterize_{bits}"] = ImageOps.posterize(small, bits)
    for threshold in (0, 127.5, 200):
        images[f"solarize_{threshold}"] = ImageOps.solarize(small, threshold)
    enhancers = {
        "saturation": ImageEnhance.Color,
        "contrast": ImageEnhance.Contrast,
        "brightness": ImageEnhance.Brightness,
        "sharpness": ImageEnhance.Sharpness,
    }
    for name, enhancer in enhancers.items():
        for factor in (0.1, 0.55, 1.45, 1.9):
            images[f"{name}_{factor}"] = enhancer(small).enhance(factor)
    header, data = {}, b""
    for name, image in images.items():
        start = len(data)
        data += image.tobytes()
        header[name] = {
            "dtype": "U8",
            "shape": [image.height, image.width, 3],
            "data_offsets": [start, len(data)],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open("vectors.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()
