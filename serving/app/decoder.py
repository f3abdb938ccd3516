"""Decode an image in one process, and kill the process if it takes too long."""

import multiprocessing
import os
import socket
import struct
import time
from multiprocessing.context import ForkServerProcess

from lunar_models.errors import CropImageError
from serving.app import decoder_process
from serving.model.crop_input import CropInput
from serving.model.preparation import CropForm, Prepared


class DecoderLost(Exception):
    """A decoding process ended without an answer."""


class Decoder:
    """One decoding process and the connection to it.

    Args:
        context: the fork server's.
        limit_s: longest time for one message to go through.
    """

    def __init__(self, context: multiprocessing.context.ForkServerContext, limit_s: float) -> None:
        self._connection, other = context.Pipe()
        limit = struct.pack("ll", int(limit_s) + 1, 0)
        with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
            # A process that stops in the middle of a message must not block its thread.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._process: ForkServerProcess = context.Process(
            target=decoder_process.run, args=(other,), daemon=True
        )
        self._process.start()
        other.close()

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.is_alive()

    def prepare(self, form: CropForm, crop: CropInput, until: float) -> Prepared | CropImageError:
        """Decode one image.

        Raises:
            DecoderLost: it took too long or broke the process, which is gone.
        """
        try:
            self._connection.send_bytes(decoder_process.write_question(form, crop.hints))
            self._connection.send_bytes(crop.data)
            if not self._connection.poll(max(0.0, until - time.monotonic())):
                self._end()
                raise DecoderLost(
                    "Decoding 'image' takes too long; save it as an ordinary PNG or TIFF."
                )
            reply, values = self._connection.recv_bytes(), self._connection.recv_bytes()
            return decoder_process.read_answer(form, reply, values)
        except (EOFError, OSError, ValueError, KeyError, TypeError) as error:
            self._end()
            raise DecoderLost(
                "Decoding 'image' crashed the decoder; save it as an ordinary PNG or TIFF."
            ) from error

    def _end(self) -> None:
        self._process.kill()
        self.close()

    def close(self) -> None:
        """Close the connection, at which the process ends."""
        self._connection.close()
        self._process.join()
