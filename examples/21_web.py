# SPDX-License-Identifier: Apache-2.0
"""A web endpoint that runs each request in a container of its own, with asyncio."""

from __future__ import annotations

import asyncio
import urllib.request

import libcontainer as lc


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Run what the path of a request says, and send what it wrote."""
    path = (await reader.readline()).split()[1].decode()
    while (await reader.readline()).strip():
        continue  # the headers
    try:
        done = await lc.arun(
            ["printf", "%s from %s\\n", path.strip("/"), "a container"],
            capture_output=True,
            timeout=5,
            memory="32M",
            pids=8,
            network="none",
        )
        status, body = "200 OK", done.stdout
    except lc.TimeoutExpired:
        status, body = "504 Gateway Timeout", b"it took too long\n"
    writer.write(f"HTTP/1.0 {status}\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()


def fetch(port: int, word: str) -> str:
    """Be a client."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{word}", timeout=20) as page:
        return str(page.read().decode().strip())


async def main() -> None:
    """Serve five requests at once."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        words = ("one", "two", "three", "four", "five")
        calls = [asyncio.to_thread(fetch, port, word) for word in words]
        for line in await asyncio.gather(*calls):
            print(line)


if __name__ == "__main__":
    asyncio.run(main())
