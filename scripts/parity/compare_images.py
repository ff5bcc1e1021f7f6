#!/usr/bin/env python3
"""Holds bauta's decoding and resizing against Pillow's, byte for byte.

    scripts/parity/compare_images.py BAUTA kinds            images of many kinds that it makes itself
    scripts/parity/compare_images.py BAUTA folder DIR N   the images of a data set of one folder per class, at most N

Packs the images with `bauta data pack` and compares each with Pillow's exif_transpose, convert("RGB") and
resize((100, 100), BILINEAR). Exits 1 where one differs.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import load_file

EXIF_ORIENTATION = 0x0112


def make_kinds(folder):
    """Two classes of pictures, smooth and noisy, in every kind of file that a data set is likely to hold."""
    random = np.random.default_rng(1)
    noise = Image.fromarray(random.integers(0, 256, (37, 53, 3), dtype=np.uint8))
    picture = noise.resize((213, 147), Image.Resampling.BICUBIC)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    a, b = folder / "a", folder / "b"
    for size in ((1, 1), (1, 40), (100, 100), (100, 31), (31, 100), (99, 101), (400, 7), (640, 480)):
        picture.resize(size).save(a / f"size_{size[0]}x{size[1]}.png")
        picture.resize(size).save(b / f"size_{size[0]}x{size[1]}.jpg", quality=80)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        picture.save(a / f"orientation_{orientation}.jpg", exif=exif)
        picture.save(b / f"orientation_{orientation}.png", exif=exif)
    picture.save(a / "progressive.jpg", progressive=True)
    picture.save(a / "subsampling_444.jpg", subsampling=0)
    picture.save(a / "subsampling_422.jpg", subsampling=1)
    picture.convert("L").save(a / "grey.jpg")
    picture.convert("CMYK").save(a / "cmyk.jpg")
    picture.convert("L").save(b / "grey.png")
    picture.convert("LA").save(b / "grey_alpha.png")
    picture.convert("RGBA").save(b / "rgba.png")
    picture.convert("P").save(b / "palette.png")
    picture.convert("1").save(b / "bits.png")
    picture.save(b / "plain.bmp")
    picture.convert("L").save(b / "grey.bmp")
    picture.convert("P").save(b / "palette.gif")
    picture.save(b / "plain.tga")
    picture.save(b / "plain.ppm")


def names_of(tensors):
    """The names in a pack: one text, and where in it each ends."""
    text, ends = tensors["names"].tobytes(), tensors["name_ends"]
    return [text[begin:end].decode() for begin, end in zip([0, *ends[:-1]], ends)]


def expected(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return np.asarray(image.resize((100, 100), Image.Resampling.BILINEAR))


def main():
    bauta, what, *rest = sys.argv[1:]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "images"
        if what == "kinds":
            make_kinds(folder)
        else:
            paths = sorted(Path(rest[0]).glob("*/*.*"))
            for path in paths[:: -(-len(paths) // int(rest[1]))]:
                (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
                (folder / path.parent.name / path.name).symlink_to(path.resolve())
        pack = Path(temporary) / "pack.safetensors"
        subprocess.run([bauta, "data", "pack", "--data", folder, "--out", pack, "--strict"], check=True,
                       stdout=subprocess.DEVNULL)
        tensors = load_file(pack)
        different = []
        names = names_of(tensors)
        for name, pixels in zip(names, tensors["pixels"]):
            if not np.array_equal(pixels, expected(folder / name)):
                worst = np.abs(pixels.astype(int) - expected(folder / name)).max()
                different.append(f"{name} (by up to {worst})")
        print(f"{len(names)} images, {len(different)} differ from Pillow's" + "".join("\n  " + d for d in different))
        sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
