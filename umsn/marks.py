"""The mark by which umsn knows a PNG that it wrote and nobody changed since: a text with the digest of all the rest."""

from __future__ import annotations

import hashlib
import struct
import zlib

HEAD = 33  #: bytes of a PNG's signature and of its first chunk, after which the mark stands
TEXT = b"tEXtSoftware\0umsn "  #: followed by the digest, in hexadecimal


def marked(png: bytes) -> bytes:
    """A PNG with the mark; its pixels stay."""
    return png[:HEAD] + _mark(png) + png[HEAD:]


def is_marked(content: bytes) -> bool:
    """Whether a file's content is a PNG as `marked` made it."""
    mark = _mark(content[:HEAD])
    return content[HEAD : HEAD + len(mark)] == _mark(content[:HEAD] + content[HEAD + len(mark) :])


def _mark(png: bytes) -> bytes:
    body = TEXT + hashlib.sha256(png).hexdigest().encode()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
