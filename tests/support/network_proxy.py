"""A line to a TCP server that can be slow, broken, cut short or a black hole, and change while it is used."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

RST = struct.pack("ii", 1, 0)  # linger for no time: closing then resets
CHUNK = 65536
SYNC = b"S\x00\x00\x00\x04"  # ends a batch of statements to PostgreSQL


class NetworkProxy:
    """Passes bytes on to *upstream*, a path of a Unix socket or a host and port, as its attributes say.

    ``latency`` is in seconds, each way. While ``swallows``, nothing is passed on and nobody is told: a black hole.
    While ``deaf``, only what the server says is swallowed: a half-open connection. ``refuses`` resets who comes anew.
    ``most`` is how many bytes the server may still say before both ends are reset. A batch for PostgreSQL that has the
    bytes of ``endless`` loses its end.
    """

    def __init__(self, upstream: str | tuple[str, int]) -> None:
        self.upstream = upstream
        self.latency = 0.0
        self.swallows = self.deaf = self.refuses = False
        self.most: int | None = None
        self.endless: bytes | None = None
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._stopping = asyncio.Event()
        self._listening = threading.Event()

    def reset(self) -> None:
        """Break every connection of now, with RST at both ends."""
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result()

    def heal(self) -> None:
        """Be a good line again. What was swallowed is gone: connections that lost any of it are broken."""
        if self.swallows or self.deaf:
            self.reset()
        self.latency, self.most, self.endless = 0.0, None, None
        self.swallows = self.deaf = self.refuses = False

    def run(self) -> None:
        """Serve until ``stop``."""
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def await_listening(self) -> None:
        assert self._listening.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stopping.wait()
        server.close()
        await self._reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _meet(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self.refuses:
            _abort(to_client)
            return
        try:
            from_server, to_server = await self._connect()
        except OSError:
            _abort(to_client)
            return
        pair = (to_client, to_server)
        self._pairs.add(pair)
        asks = asyncio.create_task(self._pass_on(from_client, to_server, asks=True))
        answers = asyncio.create_task(self._pass_on(from_server, to_client, asks=False))
        await asyncio.wait({asks, answers}, return_when=asyncio.FIRST_COMPLETED)
        while self.swallows and pair in self._pairs:  # nobody hears of an end through a black hole
            await asyncio.sleep(0.05)
        for task in (asks, answers):
            task.cancel()
        for writer in pair:
            _abort(writer)
        self._pairs.discard(pair)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, str):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(*self.upstream)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, asks: bool) -> None:
        is_endless = False
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if self.latency:
                    await asyncio.sleep(self.latency)
                if self.swallows or (self.deaf and not asks):
                    continue
                if self.most is not None and not asks:
                    data, self.most = data[: self.most], self.most - len(data)
                is_endless = is_endless or (asks and self.endless is not None and self.endless in data)
                sink.write(data.replace(SYNC, b"") if is_endless else data)
                await sink.drain()
                if self.most is not None and self.most <= 0:
                    return

    async def _reset(self) -> None:
        for pair in list(self._pairs):
            self._pairs.discard(pair)
            for writer in pair:
                _abort(writer)


@contextmanager
def proxy_to(upstream: str | tuple[str, int]) -> Iterator[NetworkProxy]:
    """A line to *upstream* until the block ends."""
    proxy = NetworkProxy(upstream)
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    proxy.await_listening()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(30)


def _abort(writer: asyncio.StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        if found is not None and found.family != socket.AF_UNIX:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    writer.transport.abort()
