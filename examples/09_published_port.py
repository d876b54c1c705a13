# SPDX-License-Identifier: Apache-2.0
"""A web server in a container, on a port of the host."""

import json
import subprocess
import time
import urllib.request

import libcontainer as lc

network = lc.Veth(
    bridge="lcdemo0",
    create_bridge=True,
    bridge_addresses=["10.98.0.1/24"],
    addresses=["10.98.0.2/24"],
    gateways=["10.98.0.1"],
    ports=[lc.Port(host=18080, container=80)],
)
serve = ["python3", "-m", "http.server", "80", "--directory", "/etc"]

with (
    lc.Factory() as factory,
    factory.create("demo-web", lc.Config(networks=[network])) as container,
):
    container.run(lc.Process(serve, stdout=lc.DEVNULL, stderr=lc.DEVNULL))
    # Any address of the host but 127.0.0.1; here that of the bridge.
    links = subprocess.run(["ip", "-j", "addr"], capture_output=True, check=True)
    addresses = [a for link in json.loads(links.stdout) for a in link["addr_info"]]
    host = next(a["local"] for a in addresses if a["local"].startswith("10.98."))
    # Its server may wait for a name server before it listens.
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://{host}:18080/hostname") as page:
                print("status", page.status)
            break
        except OSError:
            time.sleep(0.05)
