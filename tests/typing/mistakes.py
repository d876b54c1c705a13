# SPDX-License-Identifier: Apache-2.0
"""Mistakes that a type checker must find; each line says so itself."""

from __future__ import annotations

import libcontainer as lc

lc.Config(hostname=7)  # type: ignore[arg-type]
lc.Config(namespaces=7)  # type: ignore[arg-type]
lc.Config("/image")  # type: ignore[call-arg]
lc.Config(no_such_field=1)  # type: ignore[call-arg]
lc.Process(7)  # type: ignore[arg-type]
lc.run("true", timeout="5")  # type: ignore[call-overload]
lc.run("true", no_such_keyword=1)  # type: ignore[call-overload]
lc.Popen("true", check=True)  # type: ignore[call-overload]
lc.run("true", text=True).stdout.decode()  # type: ignore[attr-defined]
lc.Factory(7)  # type: ignore[arg-type]
lc.Factory("/x").create("box")  # type: ignore[call-arg]
lc.contained(stdin=lc.PIPE)  # type: ignore[call-arg]
print(lc.NO_SUCH_NAME)  # type: ignore[attr-defined]
