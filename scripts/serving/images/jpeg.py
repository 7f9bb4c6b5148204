"""JPEGs that take long to decode, known by their markers before they are decoded."""

import re

MAX_SCANS = 50
"""Encoders write ten or so. Each goes over all pixels, though it may hold next to none of them."""

_PART = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
"""What begins a part that says its length, or ends the file; not what stands in the pixels' own
data: restarts, and a zero behind each ff."""

_SCAN, _END = 0xDA, 0xD9


def has_many_scans(content: bytes) -> bool:
    """Tell whether a file is a JPEG of more than `MAX_SCANS` scans.

    Args:
        content: the file.
    """
    many = content.count(bytes((0xFF, _SCAN))) > MAX_SCANS
    if not many or not content.startswith(b"\xff\xd8"):
        return False
    # They may as well stand in a thumbnail, or in a video behind the end.
    scans = place = 0
    while scans <= MAX_SCANS and (found := _PART.search(content, place)):
        kind, place = found[1][0], found.end()
        if kind == _END:
            break
        scans += kind == _SCAN
        place += max(int.from_bytes(content[place : place + 2], "big"), 2)
    return scans > MAX_SCANS
