# SPDX-License-Identifier: Apache-2.0
"""Labels: their form, the pairs of categories, what may be relabelled."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from libcontainer.security import selinux
from libcontainer.security.selinux import Categories, Label

PROCESS = Label("system_u", "system_r", "container_t", "s0")
FILE = Label("system_u", "object_r", "container_file_t", "s0")
CONTEXTS = """
process = "system_u:system_r:container_t:s0"
content = "system_u:object_r:virt_var_lib_t:s0"
file = "system_u:object_r:container_file_t:s0"
"""


@pytest.mark.parametrize(
    ("text", "level", "categories"),
    [
        ("a:b:c", "s0", set()),
        ("a:b:c:s0", "s0", set()),
        ("a:b:c:s0:c1,c2", "s0:c1,c2", {1, 2}),
        ("a:b:c:s0-s15:c0.c1023", "s0-s15:c0.c1023", {0, 1023}),
        ("a_u:b_r:c_t:s3:c7", "s3:c7", {7}),
    ],
)
def test_a_label_is_parsed(text: str, level: str, categories: set[int]) -> None:
    label = Label.parse(text)
    assert label.level == level
    assert label.categories == categories
    assert Label.parse(str(label)) == label


@pytest.mark.parametrize(
    "text",
    [
        *("", "a:b", "a::c", "a:b:c:", "a:b:c:x", "a:b:c:s0:", "a:b:c:s0:d1"),
        *("a b:c:d", "a:b:c:s0:c1,", "a:b:c:s0\n", "a:b:c:s0:c1:c2", 'a:b:"c:s0'),
    ],
)
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is user:role|is such as"):
        Label.parse(text)


def test_no_pair_is_handed_out_twice() -> None:
    categories = Categories()
    pairs: list[tuple[int, int]] = []

    def take() -> None:
        pairs.extend(categories.take() for _ in range(300))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pairs)) == len(pairs) == 1200
    assert all(0 <= low < high < 1024 for low, high in pairs)


def test_the_pairs_come_to_an_end_and_a_released_one_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selinux, "_CATEGORIES", 3)
    categories = Categories()
    assert {categories.take() for _ in range(3)} == {(0, 1), (0, 2), (1, 2)}
    with pytest.raises(LookupError, match="all pairs"):
        categories.take()
    categories.release("a:b:c:s0:c0,c2")
    assert categories.take() == (0, 2)


def test_a_reserved_pair_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selinux, "_CATEGORIES", 3)
    categories = Categories()
    categories.reserve("a:b:c:s0:c1,c0")
    categories.reserve("a:b:c:s0")
    assert {categories.take(), categories.take()} == {(0, 2), (1, 2)}
    with pytest.raises(ValueError, match="a label is"):
        categories.reserve("x")
    with pytest.raises(ValueError, match="a label is"):
        categories.release("x")


def test_the_labels_of_a_container_share_a_pair_of_their_own() -> None:
    categories = Categories()
    process, file = selinux.labels_of(PROCESS, FILE, {}, categories)
    first, second = Label.parse(process), Label.parse(file)
    assert (first.type, second.type) == ("container_t", "container_file_t")
    assert first.level == second.level
    assert len(first.categories) == 2
    other, _ = selinux.labels_of(PROCESS, FILE, {}, categories)
    assert other != process


def test_options_change_the_labels() -> None:
    wishes = selinux.parse_options(["user:u", "role=r", "type:t", "level:s0:c5"])
    assert wishes == {"user": "u", "role": "r", "type": "t", "level": "s0:c5"}
    assert selinux.labels_of(PROCESS, FILE, wishes, Categories()) == (
        "u:r:t:s0:c5",
        "u:object_r:container_file_t:s0:c5",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["colour:red"], "a label option is"),
        (["type"], "a label option is"),
        (["type:"], "a label option is"),
        (["type:a", "type:b"], "given twice"),
        (["disable", "type:a"], "cannot be combined"),
    ],
)
def test_a_wrong_option_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        selinux.init_labels(options)


@pytest.mark.parametrize("wishes", [{"type": "a b"}, {"level": "high"}])
def test_a_wish_that_makes_no_label_takes_no_pair(
    wishes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    categories = Categories()
    monkeypatch.setattr(categories, "take", lambda: pytest.fail("a pair is taken"))
    with pytest.raises(ValueError, match=r"a label is|a level is"):
        selinux.labels_of(PROCESS, FILE, wishes, categories)


def test_there_are_no_labels_where_they_are_not_wanted_or_of_no_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert selinux.init_labels(["disable"]) is None
    monkeypatch.setattr(selinux, "_SELINUXFS", "/absent")
    assert selinux.init_labels() is None
    assert selinux.init_labels(["type:t"]) is None


def test_the_policys_file_is_read() -> None:
    assert selinux.parse_contexts(CONTEXTS) == (PROCESS, FILE)


@pytest.mark.parametrize("text", ["", 'process = "a:b:c"', 'process = "x"\nfile = "y"'])
def test_a_file_without_labels_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"lxc_contexts has no|a label is"):
        selinux.parse_contexts(text)


@pytest.mark.parametrize(
    ("shared", "expected"),
    [(False, "u:r:t:s0:c1,c2"), (True, "u:r:t:s0")],
)
def test_a_shared_folder_gets_no_categories(shared: bool, expected: str) -> None:
    label = "u:r:t:s0:c1,c2"
    assert selinux.relabel_target("/srv/data", label, shared=shared) == expected
    assert selinux.relabel_target("/home/me/x/", label, shared=shared) == expected


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/etc", "/usr", "/usr/lib", "/home", "/home/", "//etc", "/srv/../etc"),
        *("/proc/self", "relative", "/dev/shm", "/sys/fs/cgroup", ""),
    ],
)
def test_what_the_host_needs_is_never_relabelled(path: str) -> None:
    with pytest.raises(ValueError, match="would harm the host"):
        selinux.relabel_target(path, "u:r:t:s0", shared=True)


def test_a_wrong_label_is_no_target() -> None:
    with pytest.raises(ValueError, match="a label is"):
        selinux.relabel_target("/srv/data", "x", shared=False)


def test_the_enforcing_state_is_what_the_kernel_says(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selinux, "_SELINUXFS", str(tmp_path))
    assert not selinux.is_enabled()
    with pytest.raises(FileNotFoundError):
        selinux.is_enforcing()
    (tmp_path / "enforce").write_text("0")
    assert selinux.is_enabled()
    assert not selinux.is_enforcing()
    (tmp_path / "enforce").write_text("1")
    assert selinux.is_enforcing()
