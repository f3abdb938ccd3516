"""Load an image upright, whatever type of number its orientation is stored as."""

from PIL import Image, ImageOps

_ORIENTATION = 274
_UPRIGHT, _LAST = 1, 8


def load_upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """Load an image, turned and mirrored as its EXIF or TIFF orientation says.

    Args:
        image: open, not loaded yet.

    Returns:
        the image, and whether it was turned or mirrored. Numbers beyond 1 to 8 change nothing, as
        in libtiff.
    """
    stored = image.getexif().get(_ORIENTATION, _UPRIGHT)
    number = stored[0] if isinstance(stored, bytes | tuple) and stored else stored
    image.load()  # turns a TIFF, and nothing else
    if number != stored:  # of bytes, which Pillow does not compare with numbers
        image.getexif()[_ORIENTATION] = number
    turned = isinstance(number, int) and _UPRIGHT < number <= _LAST
    return ImageOps.exif_transpose(image) if turned else image, turned
