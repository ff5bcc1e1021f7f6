#!/usr/bin/env python3
"""Makes tests/fixtures/images: small image files of every kind, and in expected.safetensors what Pillow makes of them.

A tensor named FILE is the decoded picture [H, W, 3]; one named FILE@WxH is that, resized by BILINEAR.
"""

import pathlib
import struct
import sys
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/images"
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
ORIENTATION = 0x0112


def picture(width, height, channels=3):
    """Smooth shapes with a hard edge and some noise."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 120 * np.sin(0.3 * (c + 1) * x + 0.2 * y + c) for c in range(channels)]
    pixels = np.stack(planes, axis=-1) + np.random.default_rng(width * height).normal(0, 6, (height, width, channels))
    pixels[height // 2 :, width // 3] = 255
    return np.clip(pixels, 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels, depth, colour_type, extra=b"", interlaced=False):
    """A PNG of rows of bytes: pixels [H, W, bytes per pixel]."""
    passes = [pixels[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [pixels]
    raw = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, colour_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9)) +
            chunk(b"IEND", b""))


def bmp(pixels, top_down):
    """A BMP of 24 bits, which Pillow writes bottom-up only."""
    height, width, _ = pixels.shape
    rows = [row[:, ::-1].tobytes() + bytes(-3 * width % 4) for row in (pixels if top_down else pixels[::-1])]
    size = sum(map(len, rows))
    header = struct.pack("<IiiHHIIiiII", 40, width, -height if top_down else height, 1, 24, 0, size, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + size, 0, 0, 54) + header + b"".join(rows)


def save_pictures():
    rgb = Image.fromarray(picture(17, 13))
    grey = rgb.convert("L")
    rgba = Image.fromarray(picture(11, 7, 4), "RGBA")
    cmyk = Image.fromarray(picture(17, 13, 4), "CMYK")
    colours = rgb.quantize(5)

    Image.fromarray(picture(33, 19)).save(FOLDER / "odd.jpg", quality=90)
    Image.fromarray(picture(19, 40)).save(FOLDER / "tall.jpg", quality=90)
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        rgb.save(FOLDER / f"colour{name}.jpg", quality=80, subsampling=subsampling)
    grey.save(FOLDER / "grey.jpg")
    cmyk.save(FOLDER / "cmyk.jpg")
    rgb.save(FOLDER / "progressive.jpg", progressive=True)
    rgb.save(FOLDER / "restarts.jpg", restart_marker_blocks=1)
    Image.fromarray(picture(1, 1)).save(FOLDER / "one.jpg")
    Image.fromarray(picture(1, 9)).save(FOLDER / "line.jpg")
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[ORIENTATION] = orientation
        Image.fromarray(picture(7, 5)).save(FOLDER / f"orientation{orientation}.jpg", exif=exif, quality=95)
    exif[ORIENTATION] = 6
    Image.fromarray(picture(7, 5)).save(FOLDER / "orientation.png", exif=exif)

    rgb.save(FOLDER / "colour.png")
    rgba.save(FOLDER / "alpha.png")
    grey.save(FOLDER / "grey.png")
    grey.convert("1").save(FOLDER / "bits1.png")
    rgb.quantize(4).save(FOLDER / "palette2.png", bits=2)
    colours.save(FOLDER / "palette.png")
    colours.save(FOLDER / "transparent.png", transparency=1)
    rgba.convert("LA").save(FOLDER / "grey_alpha.png")
    (FOLDER / "deep.png").write_bytes(png(picture(5, 6, 6), 16, 2))
    (FOLDER / "deep_grey.png").write_bytes(png(picture(5, 6, 2) // [[[64, 1]]], 16, 0))
    (FOLDER / "deep_grey_alpha.png").write_bytes(png(picture(5, 6, 4), 16, 4))
    (FOLDER / "interlaced.png").write_bytes(png(picture(13, 11), 8, 2, interlaced=True))
    short = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    (FOLDER / "short_palette.png").write_bytes(png(np.array([[[0], [1], [2], [255]]], np.uint8), 8, 3, short))

    rgb.save(FOLDER / "colour.bmp")
    grey.save(FOLDER / "grey.bmp")
    rgba.save(FOLDER / "alpha.bmp")
    colours.save(FOLDER / "palette.bmp")
    grey.convert("1").save(FOLDER / "bits1.bmp")
    (FOLDER / "top_down.bmp").write_bytes(bmp(picture(5, 6), True))

    rgb.save(FOLDER / "colour.ppm")
    grey.save(FOLDER / "grey.pgm")
    rgb.save(FOLDER / "colour.tga")
    rgba.save(FOLDER / "alpha.tga")
    grey.save(FOLDER / "grey.tga")

    colours.save(FOLDER / "colour.gif")
    colours.save(FOLDER / "transparent.gif", transparency=1)
    grey.save(FOLDER / "frames.gif", save_all=True, append_images=[grey.transpose(Image.Transpose.ROTATE_180)])


def main():
    if int(PIL.__version__.split(".")[0]) < 13:
        sys.exit(f"Pillow 13 or newer is needed, this is {PIL.__version__}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_pictures()
    sizes = {"odd.jpg": [(40, 41), (10, 7), (33, 7), (7, 19), (1, 1), (50, 4), (66, 38), (20, 4)],
             "tall.jpg": [(16, 16), (19, 13), (40, 19), (18, 39), (18, 38), (18, 37), (25, 1)],
             "line.jpg": [(5, 5), (1, 20)], "one.jpg": [(3, 2)]}
    expected = {}
    for path in sorted(FOLDER.glob("*.*")):
        if path.suffix == ".safetensors":
            continue
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        expected[path.name] = np.array(image)
        for width, height in sizes.get(path.name, []):
            resized = image.resize((width, height), Image.Resampling.BILINEAR)
            expected[f"{path.name}@{width}x{height}"] = np.array(resized)
    save_file(expected, FOLDER / "expected.safetensors")


if __name__ == "__main__":
    main()
