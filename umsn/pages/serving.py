"""A file server for built pages, on this machine alone and without a log: pages' scripts need one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Serve a folder for the length of a block; yields its address, which ends in a slash."""
    server = ThreadingHTTPServer((HOST, 0), partial(_Quiet, directory=os.fspath(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
