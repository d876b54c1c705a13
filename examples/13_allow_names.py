# SPDX-License-Identifier: Apache-2.0
"""A container that reaches hosts by a list of names, and nothing else.

It has no link: its only way out is a proxy that looks at names. So that it runs without
the Internet the one name here is this machine's own, with a server of this program.
"""

import functools
import http.server
import sys
import threading

import libcontainer as lc

handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/sys")
handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()

TRY = """
import sys, urllib.error, urllib.request
for name in ("localhost", "example.org"):
    try:
        with urllib.request.urlopen(f"http://{name}:{sys.argv[1]}/") as page:
            print(name, page.status)
    except urllib.error.HTTPError as error:
        print(name, error.code, error.read().decode().strip())
"""

port = server.server_address[1]
# Without `networks` a name leads to public addresses alone, never to this machine.
proxy = lc.Proxy(names=["localhost"], networks=["127.0.0.0/8"], target_ports=[port])
config = lc.Config(networks=[proxy])
path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}

with lc.Factory() as factory, factory.create("demo-names", config) as container:
    command = ["python3", "-c", TRY, str(port)]
    process = lc.Process(command, env={**path, **proxy.environment})
    sys.exit(container.run(process).wait().code)
