# SPDX-License-Identifier: Apache-2.0
"""Mount options as words: what each means, and what is left to the filesystem."""

from __future__ import annotations

import json
from typing import Any

import pytest

from libcontainer.config import (
    DEFAULT_NAMESPACES,
    Config,
    IdMap,
    IdMapping,
    Mount,
    MountAttr,
    Propagation,
    config_from_json,
    config_to_json,
)
from libcontainer.config.mount_options import WORDS
from libcontainer.errors import ConfigError
from libcontainer.plan.mapping import mount_extents
from libcontainer.validate import validate

# config.md of the OCI runtime specification 1.3, "Linux mount options".
SPECIFIED = """
async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud
mand noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime
nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime
remount rexec ridmap rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid
rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid
rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync
tmpcopyup unbindable
"""
TIMES = MountAttr.NOATIME | MountAttr.STRICTATIME


def make(*words: str, kind: str | None = "tmpfs") -> Mount:
    return Mount.from_options(kind, "source", "/x", words)


def test_every_word_of_the_specification_is_known() -> None:
    assert set(SPECIFIED.split()) <= WORDS
    assert {"src-nofollow", "dest-nofollow", "copy-symlink"} <= WORDS


@pytest.mark.parametrize("word", sorted(WORDS))
def test_no_known_word_reaches_the_filesystem_unless_it_is_its_own(word: str) -> None:
    own = {"sync", "dirsync", "lazytime", "mand", "iversion"}
    assert make(word).data == ((word,) if word in own else ())


@pytest.mark.parametrize(
    ("words", "wanted", "cleared"),
    [
        (["ro"], MountAttr.RDONLY, 0),
        (["ro", "rw"], 0, MountAttr.RDONLY),
        (["rw", "ro"], MountAttr.RDONLY, 0),
        (["nosuid", "nodev", "noexec"], 0xE, 0),
        (["suid", "dev", "exec"], 0, 0xE),
        (["noatime"], MountAttr.NOATIME, MountAttr.STRICTATIME),
        (["strictatime"], MountAttr.STRICTATIME, MountAttr.NOATIME),
        (["noatime", "strictatime"], MountAttr.STRICTATIME, MountAttr.NOATIME),
        (["relatime"], 0, TIMES),
        (["noatime", "atime"], 0, TIMES),
        (["nostrictatime"], 0, MountAttr.STRICTATIME),
        (["norelatime"], 0, 0),
        (["nodiratime"], MountAttr.NODIRATIME, 0),
        (["diratime"], 0, MountAttr.NODIRATIME),
        (["nosymfollow"], MountAttr.NOSYMFOLLOW, 0),
        (["symfollow"], 0, MountAttr.NOSYMFOLLOW),
        (["defaults", "silent", "loud"], 0, 0),
    ],
)
def test_words_set_and_clear_attributes(
    words: list[str], wanted: int, cleared: int
) -> None:
    own = make(*words)
    assert (own.attrs, own.attrs_clear) == (wanted, cleared)
    assert (own.recursive_attrs, own.recursive_attrs_clear) == (0, 0)
    if set(words) & {"defaults"}:
        return
    tree = make(*(f"r{word}" for word in words))
    assert (tree.recursive_attrs, tree.recursive_attrs_clear) == (wanted, cleared)
    assert (tree.attrs, tree.attrs_clear) == (0, 0)


def test_bind_words_make_a_bind_of_any_type() -> None:
    assert (make("bind", kind=None).type, make("bind").recursive) == ("bind", False)
    assert make("rbind", kind="none").recursive is True
    assert make("rbind", "bind").recursive is True
    assert make(kind="bind").recursive is False


@pytest.mark.parametrize("word", list(Propagation))
def test_the_last_word_of_propagation_counts(word: Propagation) -> None:
    assert make("slave", word.value).propagation is word
    assert make().propagation is Propagation.RPRIVATE


def test_flags_of_the_superblock_are_taken_back() -> None:
    assert make("sync", "mand", "lazytime", "nomand").data == ("sync", "lazytime")
    assert make("sync", "async", "iversion", "noiversion").data == ()


def test_other_words_are_options_of_the_filesystem() -> None:
    assert make("size=1m", "mode=0700", "x-y").data == ("size=1m", "mode=0700", "x-y")


def test_extras_are_kept_as_words() -> None:
    words = ("remount", "tmpcopyup", "src-nofollow", "dest-nofollow")
    assert make(*words).extras == frozenset(words)


RANGE = (IdMapping(0, 1000, 10),)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("idmap", IdMap()),
        ("ridmap", IdMap(recursive=True)),
        ("idmap=uids=0-1000-10;gids=0-1000-10", IdMap(RANGE, RANGE)),
        (
            "ridmap=gids=0-1000-10;uids=0-1000-10#20-7-1",
            IdMap((*RANGE, IdMapping(20, 7, 1)), RANGE, recursive=True),
        ),
        (
            "idmap=uids=@5-30-2#0-1000-1;gids=@0-0-9",
            IdMap(
                (IdMapping(5, 30, 2, relative=True), IdMapping(0, 1000, 1)),
                (IdMapping(0, 0, 9, relative=True),),
            ),
        ),
        ("idmap=uids=@5-30-2", IdMap((IdMapping(5, 30, 2, relative=True),))),
    ],
)
def test_id_maps_are_the_containers_or_written_out(word: str, expected: IdMap) -> None:
    assert make("bind", word).idmap == expected


OWN = (IdMapping(0, 1000, 10), IdMapping(10, 5000, 10))


@pytest.mark.parametrize(
    ("word", "path", "message"),
    [
        ("uids=@0-15-6", "uid_mappings[0].host_id", "names id 20 of the container"),
        ("uids=@0-1-1#5-1001-1", "uid_mappings[1].host_id", "overlaps"),
        ("gids=@0-1-1#0-2-1", "gid_mappings[1].container_id", "overlaps"),
    ],
)
def test_a_range_that_the_container_does_not_have_is_a_problem(
    word: str, path: str, message: str
) -> None:
    mount = Mount.from_options("bind", "/s", "/x", ["bind", f"idmap={word}"])
    kinds = [*DEFAULT_NAMESPACES, "user"]
    config = Config(
        mounts=[mount], namespaces=kinds, uid_mappings=OWN, gid_mappings=OWN
    )
    (problem,) = validate(config)
    assert problem.path == f"mounts[0].idmap.{path}"
    assert message in problem.message


def test_a_relative_range_may_be_in_several_pieces_on_the_host() -> None:
    wanted = (IdMapping(100, 8, 5, relative=True), IdMapping(0, 7, 1))
    assert mount_extents(wanted, OWN) == ((100, 1008, 2), (102, 5000, 3), (0, 7, 1))
    assert mount_extents((), OWN) == ((0, 1000, 10), (10, 5000, 10))
    with pytest.raises(ConfigError, match="names id 20 of the container"):
        mount_extents((IdMapping(0, 20, 1, relative=True),), OWN)


def test_no_range_of_the_containers_own_is_relative() -> None:
    own = (IdMapping(0, 0, 1, relative=True),)
    kinds = [*DEFAULT_NAMESPACES, "user"]
    problems = validate(Config(namespaces=kinds, uid_mappings=own, gid_mappings=RANGE))
    assert [p.path for p in problems] == ["uid_mappings[0].relative"]


def test_a_relative_range_survives_the_state_file() -> None:
    mount = make("bind", "idmap=uids=@5-30-2#0-1000-1;gids=@0-0-9")
    config = Config(mounts=[mount])
    text = json.dumps(config_to_json(config))
    assert config_from_json(json.loads(text)) == config
    assert text.count('"relative"') == 2  # left out where it says nothing


def test_mappings_alone_mean_an_id_mapped_mount() -> None:
    def mapped(*words: str) -> Mount:
        return Mount.from_options(
            "bind", "/s", "/x", words, uid_mappings=RANGE, gid_mappings=RANGE
        )

    assert mapped("bind").idmap == IdMap(RANGE, RANGE)
    assert mapped("rbind", "ridmap").idmap == IdMap(RANGE, RANGE, recursive=True)


@pytest.mark.parametrize(
    "word",
    [
        "idmap=uids=0-1-1",
        "idmap=x",
        "idmap=uids=@0-1-1;gids=0-1-1",
        "idmap=uids=@@0-1-1;gids=0-1-1",
        "idmap=uids=0-@1-1;gids=0-1-1",
        "idmap=uids=0-1-1;uids=0-1-1",
        "idmap=uids=0-1;gids=0-1-1",
        "idmap=uids=0-1-0;gids=0-1-1",
    ],
)
def test_a_wrong_inline_map_is_a_problem(word: str) -> None:
    mount = Mount.from_options("bind", "/s", "/x", ["bind", word])
    problems = validate(Config(mounts=[mount]))
    assert problems
    assert all(p.path.startswith("mounts[0].idmap") for p in problems)


@pytest.mark.parametrize("junk", [3, None, [], {}, b"ro", "\0", "a,b"])
def test_junk_among_the_words_is_a_problem_and_no_exception(junk: Any) -> None:
    mount = Mount.from_options("tmpfs", "t", "/x", ["ro", junk])
    problems = validate(Config(mounts=[mount]))
    assert [p.path for p in problems] == ["mounts[0].data[0]"]
    for options in (junk, "ro"):
        mount = Mount.from_options("tmpfs", "t", "/x", options)
        if not isinstance(junk, list):
            assert isinstance(mount, Mount)


def test_a_mount_survives_the_state_file() -> None:
    mount = Mount.from_options(
        "none",
        "/s",
        "/x",
        ["rbind", "ro", "rnosuid", "rw", "rslave", "dest-nofollow", "ridmap"],
        uid_mappings=RANGE,
        gid_mappings=RANGE,
    )
    config = Config(mounts=[mount], rootfs_propagation="shared")
    assert config_from_json(config_to_json(config)) == config
