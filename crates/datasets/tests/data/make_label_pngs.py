"""Writes png/*.png: one small label map, as several encoders store it.

    python make_label_pngs.py

The value at column x, row y is (x + 3 y) modulo the number of values in the file's name. Palettes
give index i the colour (i, 255 - i, 7 i mod 256). Colours and 16-bit files hold more than the value:
see each line.
"""
import png
from PIL import Image

WIDTH, HEIGHT = 11, 6


def rows(values):
    return [[(x + 3 * y) % values for x in range(WIDTH)] for y in range(HEIGHT)]


def colour(index):
    return (index, 255 - index, 7 * index % 256)


def pypng(name, data, **options):
    with open(f"png/{name}.png", "wb") as file:
        png.Writer(width=WIDTH, height=HEIGHT, **options).write(file, data)


def pillow(name, mode, data, **options):
    image = Image.new(mode, (WIDTH, HEIGHT))
    image.putdata([value for row in data for value in row])
    if mode == "P":
        image.putpalette([part for i in range(options.pop("colours")) for part in colour(i)])
    image.save(f"png/{name}.png", **options)


for bits, values in [(1, 2), (2, 4), (4, 16), (8, 35)]:
    palette = [colour(i) for i in range(values)]
    pillow(f"pillow_palette{bits}_of_{values}", "P", rows(values), colours=values, bits=bits)
    pypng(f"pypng_palette{bits}_of_{values}", rows(values), palette=palette, bitdepth=bits)
    pypng(f"pypng_palette{bits}_interlaced_of_{values}", rows(values), palette=palette, bitdepth=bits, interlace=True)
# Transparency of palette entries, in chunk tRNS, changes no index.
pillow("pillow_palette8_transparent_of_35", "P", rows(35), colours=35, bits=8, transparency=bytes(range(35)))
pypng("pypng_palette4_transparent_of_16", rows(16), palette=[colour(i) + (17 * i,) for i in range(16)], bitdepth=4)
pillow("pillow_grey8_of_35", "L", rows(35))
pypng("pypng_grey8_interlaced_of_35", rows(35), greyscale=True, bitdepth=8, interlace=True)
# One grey value is transparent, also in tRNS.
pypng("pypng_grey8_transparent_of_35", rows(35), greyscale=True, bitdepth=8, transparent=7)
# Red holds the value, green and blue what a reader must not take for it.
red = [[sample for value in row for sample in (value, 300 + value, 65535)] for row in rows(23)]
pypng("pypng_rgb16_of_23", red, greyscale=False, bitdepth=16)
pypng("pypng_rgb16_interlaced_of_23", red, greyscale=False, bitdepth=16, interlace=True)
pypng("pypng_rgb16_transparent_of_23", red, greyscale=False, bitdepth=16, transparent=(3, 303, 65535))
alpha = [[sample for value in row for sample in (value, 300 + value, 65535, 0)] for row in rows(23)]
pypng("pypng_rgba16_of_23", alpha, greyscale=False, alpha=True, bitdepth=16)
pypng("pypng_grey16_of_23", rows(23), greyscale=True, bitdepth=16)
shown = [[part for value in row for part in colour(value)] for row in rows(35)]
pypng("pypng_rgb8_of_35", shown, greyscale=False, bitdepth=8)
pypng("pypng_rgb8_interlaced_of_35", shown, greyscale=False, bitdepth=8, interlace=True)
