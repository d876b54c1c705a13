# SPDX-License-Identifier: Apache-2.0
"""Documents of the OCI specification as configurations."""

from __future__ import annotations

from typing import Any

import pytest

import libcontainer as lc
from libcontainer import Capabilities, CpuAffinity, DeviceRule
from libcontainer.errors import ConfigError
from libcontainer.oci import Bundle, parse_bundle
from libcontainer.oci.template import template
from libcontainer.validate import check
from tests.oci_bundles import document


def _parse(**changes: Any) -> Bundle:
    return parse_bundle(document("true", **changes), "/bundle")


def _problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        _parse(**changes)
    return {item.path: item.message for item in caught.value.problems}


def test_a_whole_document_arrives() -> None:
    content = document("sh", "-c", "true")
    content["annotations"] = {"a": "b"}
    content["process"] |= {
        "cwd": "/tmp",
        "env": ["A=b"],
        "user": {"uid": 5, "gid": 6, "additionalGids": [7], "umask": 0o077},
        "oomScoreAdj": 9,
    }
    content["linux"] |= {
        "cgroupsPath": "/a/b",
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "rootfsPropagation": "slave",
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
        "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
    }
    content["hooks"] = {"poststop": [{"path": "/bin/true", "timeout": 3}]}
    bundle = parse_bundle(content, "/bundle")
    config = bundle.config
    assert config.rootfs == lc.Directory("/bundle/rootfs")
    assert config.cgroups_path == "/a/b"
    assert dict(config.sysctl) == {"net.ipv4.ip_forward": "1"}
    assert config.uid_mappings == (lc.IdMapping(0, 1000, 10),)
    assert config.hooks.poststop == (lc.Hook("/bin/true", timeout=3),)
    assert dict(config.labels) == {"a": "b", "bundle": "/bundle"}
    assert [mount.destination for mount in config.mounts][:2] == ["/proc", "/dev"]
    assert config.base_mounts == ()
    assert bundle.process is not None
    assert bundle.process.args == ("sh", "-c", "true")
    # Further processes get it too.
    assert (config.cwd, config.env, config.umask) == ("/tmp", (("A", "b"),), 0o077)
    assert (config.user, config.additional_groups) == ("5:6", (7,))
    assert config.oom_score_adj == 9
    assert bundle.annotations == (("a", "b"),)
    assert bundle.warnings == ()


def test_what_is_absent_means_what_the_specification_says() -> None:
    content = document("true")
    for key in ("noNewPrivileges", "capabilities", "user", "env", "rlimits"):
        content["process"].pop(key, None)
    config = parse_bundle(content, "/bundle").config
    assert not config.no_new_privs
    assert config.capabilities == lc.Capabilities()
    assert config.env == ()
    assert config.user == "0:0"


def test_processors_of_further_processes_are_not_those_of_init() -> None:
    content = document("true")
    content["process"]["execCPUAffinity"] = {"initial": "0"}
    bundle = parse_bundle(content, "/bundle")
    assert bundle.process is not None
    everywhere = CpuAffinity(final="0-8191")
    assert bundle.process.cpu_affinity == everywhere
    assert bundle.config.cpu_affinity == CpuAffinity(initial="0", final="0-8191")
    # Nothing is asked: not those of the caller, but all that the cpuset has.
    assert parse_bundle(document("true"), "/bundle").config.cpu_affinity == everywhere


def test_capabilities_that_the_kernel_would_not_give_are_passed_over() -> None:
    content = document("true")
    content["process"]["capabilities"] = {
        "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG"],
        "permitted": ["CAP_KILL", "CAP_CHOWN", "CAP_SYS_ADMIN"],
        "effective": ["CAP_KILL", "CAP_SYSLOG"],
        "inheritable": ["CAP_KILL", "CAP_SYSLOG"],
        "ambient": ["CAP_KILL", "CAP_CHOWN"],
    }
    bundle = parse_bundle(content, "/bundle")
    assert bundle.config.capabilities == Capabilities(
        bounding=["CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG"],
        permitted=["CAP_KILL", "CAP_CHOWN"],
        effective=["CAP_KILL"],
        inheritable=["CAP_KILL"],
        ambient=["CAP_KILL"],
    )
    told = [str(warning) for warning in bundle.warnings]
    assert len(told) == 4
    assert any("can't raise ambient capability CAP_CHOWN: " in line for line in told)
    check(bundle.config, bundle.process)


def test_a_device_is_no_permission_where_a_bundle_has_rules() -> None:
    node = {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}
    linux = document("true")["linux"] | {"devices": [node]}
    denied = DeviceRule(allow=False, type="c", major=1, minor=11, access="rw")
    none = _parse(linux=linux | {"resources": {}})
    assert none.config.resources.devices == ()
    rules: list[dict[str, object]] = [{"allow": False, "access": "rwm"}]
    only = _parse(linux=linux | {"resources": {"devices": rules}})
    assert only.config.resources.devices == (denied,)
    rules.append({"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"})
    both = _parse(linux=linux | {"resources": {"devices": rules}})
    assert both.config.resources.devices == (
        denied,
        DeviceRule(allow=True, type="c", major=1, minor=11, access="r"),
    )


def test_letters_that_no_device_rule_has_are_passed_over() -> None:
    def access(text: str) -> str:
        rule = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": text}
        linux = document("true")["linux"] | {"resources": {"devices": [rule]}}
        return _parse(linux=linux).config.resources.devices[-1].access

    assert access("rwa") == "rw"
    # Nothing of it is known: it is left to be refused.
    assert access("x") == "x"


def test_a_tmpfs_without_a_mode_has_that_of_what_it_covers() -> None:
    def options(*words: str) -> frozenset[str]:
        entry = {"destination": "/x", "type": "tmpfs", "options": list(words)}
        return _parse(mounts=[entry]).config.mounts[0].extras

    assert options("nosuid") == {"keep-mode"}
    assert options("nosuid", "mode=0700") == frozenset()


def test_names_of_a_memory_policy_are_those_of_the_specification() -> None:
    def policy(**fields: object) -> Any:
        return document("true")["linux"] | {"memoryPolicy": fields}

    assert _parse(linux=policy()).config.memory_policy is None
    assert _parse(linux=policy(mode="MPOL_BIND", nodes="0")).config.memory_policy
    assert "linux.memoryPolicy.mode" in _problems(linux=policy(mode="BIND", nodes="0"))
    wrong = policy(mode="MPOL_BIND", nodes="0", flags=["STATIC_NODES"])
    assert "linux.memoryPolicy.flags" in _problems(linux=wrong)


def test_what_others_read_of_an_absent_number_or_name() -> None:
    content = document("true")
    content["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_IDLE"}
    content["process"]["scheduler"] = {"policy": "SCHED_FIFO", "priority": 1, "nice": 5}
    content["process"]["env"] = ["PATH=/bin", "HOME="]
    content["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    bundle = parse_bundle(content, "/bundle")
    config = bundle.config
    assert config.io_priority is not None
    assert config.scheduler is not None
    assert config.seccomp is not None
    assert (config.io_priority.priority, config.scheduler.nice) == (0, 0)
    assert config.env == (("PATH", "/bin"),)
    assert config.seccomp.flags == ("SECCOMP_FILTER_FLAG_SPEC_ALLOW",)
    content["linux"]["seccomp"]["flags"] = []
    none = parse_bundle(content, "/bundle").config.seccomp
    assert none is not None
    assert none.flags == ()


def test_the_template_has_a_cgroup_namespace_in_v2_alone() -> None:
    def kinds(*, unified: bool) -> set[str]:
        made = template(rootless=False, uid=0, gid=0, unified=unified)
        return {entry["type"] for entry in made["linux"]["namespaces"]}

    assert kinds(unified=True) - kinds(unified=False) == {"cgroup"}


@pytest.mark.parametrize("version", ["1.0.0", "1.0.2-dev", "1.2.1", "1.3.0+x"])
def test_a_version_of_the_first_series_is_taken(version: str) -> None:
    assert _parse(ociVersion=version)


@pytest.mark.parametrize("version", ["", "0.9.0", "2.0.0", "1", "new", "1.0.0 "])
def test_a_version_is_checked(version: str) -> None:
    assert "ociVersion" in _problems(ociVersion=version)


def test_everything_wrong_is_told_at_once() -> None:
    found = _problems(
        ociVersion=1,
        root={},
        mounts=[{"options": "x"}],
        hooks={"prestart": 7},
        linux={
            "namespaces": [{"type": "pid"}, {"type": "pid"}],
            "resources": {"memory": {"limit": "x"}},
        },
    )
    assert set(found) >= {
        "ociVersion",
        "root.path",
        "mounts[0].destination",
        "mounts[0].options",
        "hooks.prestart",
        "linux.namespaces[1].type",
        "linux.resources.memory.limit",
    }


def test_unknown_keys_are_warnings_at_every_depth() -> None:
    content = document("true", frob=1)
    content["root"]["frob"] = 1
    content["process"]["frob"] = 1
    content["process"]["user"]["frob"] = 1
    content["process"]["rlimits"][0]["frob"] = 1
    content["mounts"][0]["frob"] = 1
    bundle = parse_bundle(content, "/bundle")
    assert {warning.path for warning in bundle.warnings} == {
        "frob",
        "root.frob",
        "process.frob",
        "process.user.frob",
        "process.rlimits[0].frob",
        "mounts[0].frob",
    }


def test_a_capability_that_there_is_not_is_a_warning() -> None:
    content = document("true")
    content["process"]["capabilities"] = {"bounding": ["CAP_CHOWN", "CAP_NOPE"]}
    bundle = parse_bundle(content, "/bundle")
    assert bundle.config.capabilities.bounding == {"CAP_CHOWN"}
    (warning,) = bundle.warnings
    assert "CAP_NOPE" in warning.message


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ([{"allow": False, "access": "rwm"}], 0),
        ([{"allow": False}], 0),
        ([{"allow": True}, {"allow": False, "type": "a", "access": "rwm"}], 0),
        ([{"allow": False, "access": "r"}], 1),
        ([{"allow": False, "type": "c", "major": 1, "access": "rwm"}], 1),
        ([{"allow": False}, {"allow": True, "type": "c", "access": "m"}], 1),
    ],
)
def test_device_rules_begin_behind_the_last_that_denies_all(
    rules: list[dict[str, Any]], kept: int
) -> None:
    bundle = _parse(linux={"resources": {"devices": rules}})
    assert len(bundle.config.resources.devices) == kept


def test_limits_are_those_of_the_object() -> None:
    resources = {
        "memory": {"limit": 1 << 26, "swap": -1, "reservation": 0},
        "cpu": {"shares": 512, "quota": 1000, "period": 100000, "cpus": "0-1"},
        "pids": {"limit": 7},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4096}],
        "blockIO": {
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
        },
        "unified": {"memory.high": "1000"},
        "rdma": {"mlx5_1": {"hcaHandles": 3}},
    }
    found = _parse(linux={"resources": resources}).config.resources
    assert found == lc.Resources(
        memory=1 << 26,
        memory_swap=-1,
        cpu_shares=512,
        cpu_quota=1000,
        cpu_period=100000,
        cpuset_cpus="0-1",
        pids=7,
        hugetlb={"2MB": 4096},
        blkio_throttle_read_bps=[lc.ThrottleDevice(8, 0, 600)],
        unified={"memory.high": "1000"},
        rdma={"mlx5_1": "hca_handle=3"},
    )


@pytest.mark.parametrize("rootless", [False, True])
def test_the_template_is_valid(rootless: bool, tmp_path: Any) -> None:
    (tmp_path / "rootfs").mkdir()
    content = template(rootless=rootless, uid=1000, gid=1000)
    bundle = parse_bundle(content, str(tmp_path))
    check(bundle.config, bundle.process)
    assert bundle.warnings == ()


def test_the_template_for_an_ordinary_user_maps_its_ids() -> None:
    linux = template(rootless=True, uid=1000, gid=1001)["linux"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 1000, "size": 1}]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 1001, "size": 1}]
    assert {"type": "user"} in linux["namespaces"]


@pytest.mark.parametrize(
    ("process", "where"),
    [
        ('{"args": ["true"], "cwd": "/"}', "process"),
        ("\ud800", "process"),
        ({"args": ["true"], "cwd": "/", "\x1b[2J": 1}, "process"),
        ({"args": ["true"], "cwd": "/", "": 1}, "process"),
        ({"args": ["true"], "cwd": "/", "a.b": {"c": 1}}, "process"),
    ],
)
def test_a_process_of_an_odd_form_is_refused_not_a_crash(
    process: object, where: str
) -> None:
    """Cases of the fuzz campaign."""
    odd = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": process}
    with pytest.raises(lc.ConfigError) as caught:
        parse_bundle(odd, "/bundle")
    assert all(problem.path.startswith(where) for problem in caught.value.problems)


def test_a_device_number_of_another_type_is_refused_not_a_crash() -> None:
    rules = [{"allow": True, "major": [1], "minor": {}}]
    linux = {"resources": {"devices": rules}}
    odd = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "linux": linux}
    with pytest.raises(lc.ConfigError, match="major"):
        parse_bundle(odd, "/bundle")


def test_the_domain_may_be_a_kernel_parameter() -> None:
    document = {**template(rootless=False, uid=0, gid=0)}
    document["linux"]["sysctl"] = {"kernel.domainname": "example.org"}
    bundle = parse_bundle(document, "/b")
    assert bundle.config.domainname == "example.org"
    assert bundle.config.sysctl == ()
    assert parse_bundle({**document, "domainname": "example.org"}, "/b")
    # Two that differ are not for us to choose from.
    other = parse_bundle({**document, "domainname": "example.com"}, "/b").config
    assert (other.domainname, len(other.sysctl)) == ("example.com", 1)


# -- what others pass over


def _warned(**changes: Any) -> tuple[Bundle, list[str]]:
    bundle = _parse(**changes)
    assert bundle.process is not None
    check(bundle.config, bundle.process)
    return bundle, [str(warning) for warning in bundle.warnings]


def _linux(**changes: Any) -> dict[str, Any]:
    return document()["linux"] | changes


def _mounts(kind: str, *options: str) -> list[dict[str, Any]]:
    place = {"destination": "/mnt", "type": kind, "source": "/srv"}
    return [*document()["mounts"], place | {"options": list(options)}]


@pytest.mark.parametrize(
    "word", ["nofail", "x-foo", "_netdev", "size=1m", "mode=755", "iversion", "Z"]
)
def test_words_of_others_on_a_bind_are_warnings(word: str) -> None:
    bundle, warned = _warned(mounts=_mounts("bind", "rbind", word, "ro"))
    mount = bundle.config.mounts[-1]
    assert (mount.data, mount.attrs, mount.recursive) == ((), lc.MountAttr.RDONLY, True)
    assert f"{word!r} has no effect on a bind mount" in warned[-1]


@pytest.mark.parametrize("word", ["ro=recursive", "RO", "nosuid=1", "x,ro", " ro"])
def test_a_word_that_is_nearly_one_of_a_bind_is_refused(word: str) -> None:
    bundle = _parse(mounts=_mounts("bind", "rbind", word))
    with pytest.raises(ConfigError, match=word):
        check(bundle.config, bundle.process)


def test_an_empty_option_is_passed_over_and_the_last_size_counts() -> None:
    bundle, warned = _warned(mounts=_mounts("bind", "rbind", ""))
    assert bundle.config.mounts[-1].data == ()
    assert warned[-1].endswith("an empty one, passed over")
    words = ("size=1m", "mode=755", "", "size=2m", "nosuid")
    bundle, _ = _warned(mounts=_mounts("tmpfs", *words))
    assert bundle.config.mounts[-1].data == ("mode=755", "size=2m")


def test_architectures_and_flags_are_there_once() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X86"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_LOG"],
    }
    seccomp = _warned(linux=_linux(seccomp=profile))[0].config.seccomp
    assert seccomp is not None
    assert seccomp.architectures == ("SCMP_ARCH_X86",)
    assert seccomp.flags == ("SECCOMP_FILTER_FLAG_LOG",)
    for wrong in (5, "x", [[]]):
        bundle = _parse(linux=_linux(seccomp={**profile, "flags": wrong}))
        with pytest.raises(ConfigError, match="flags"):
            check(bundle.config, bundle.process)


def test_of_two_devices_at_one_path_the_first_counts() -> None:
    first = {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}
    devices = [first, {**first, "minor": 200}]
    bundle, warned = _warned(linux=_linux(devices=devices))
    (found,) = [d for d in bundle.config.devices if d.path == "/dev/fuse"]
    assert found.minor == 229
    assert "linux.devices: '/dev/fuse' is there twice: the first counts" in warned


def test_what_is_of_windows_is_passed_over() -> None:
    process = document("true")["process"]
    user = {"uid": 5, "gid": 6, "username": "bob"}
    bundle, warned = _warned(process=process | {"user": user, "commandLine": "x"})
    assert bundle.process is not None
    assert bundle.process.user == "5:6"
    assert warned == [
        "process.user.username: is of Windows alone, passed over",
        "process.commandLine: is of Windows alone, passed over",
    ]
    # Nothing else would say who it is: it must not become root.
    bundle = _parse(process=process | {"user": {"username": "bob"}})
    assert bundle.process is not None
    assert bundle.process.user == "bob"


def test_a_policy_of_a_tmpfs_may_have_commas() -> None:
    bundle, _ = _warned(mounts=_mounts("tmpfs", "mpol=bind:0,2-3"))
    assert bundle.config.mounts[-1].data[0] == "mpol=bind:0,2-3"


def test_what_says_nothing_is_absent() -> None:
    process = document("true")["process"]
    empty: dict[str, Any] = {"consoleSize": {}, "ioPriority": {}, "scheduler": {}}
    paths: list[str] = ["", "/proc/kcore"]
    linux = {"rootfsPropagation": "", "maskedPaths": paths, "readonlyPaths": [""]}
    bundle, warned = _warned(
        process=process | empty, linux=_linux(**linux, intelRdt={})
    )
    assert bundle.process is not None
    assert bundle.process.console_size is None
    config = bundle.config
    assert (config.scheduler, config.io_priority, config.intel_rdt) == (None,) * 3
    assert config.masked_paths == ("/proc/kcore",)
    assert config.readonly_paths == ()
    assert len(warned) == 2
    named = _parse(linux=_linux(intelRdt={"closID": "x"})).config.intel_rdt
    assert named == lc.IntelRdt(clos_id="x")
