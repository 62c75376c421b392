"""Where our control group is, from the kernel's texts."""

from __future__ import annotations

import pytest

from spoold.system.own_group import Group, locate

V1_MOUNTS = """\
23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:12 master:3 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2_MOUNTS = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_version_1() -> None:
    """The line with the memory controller counts, below where that controller is mounted."""
    groups = "5:cpu,cpuacct:/other\n4:memory:/system.slice/spoold.service\n0::/init.scope\n"
    assert locate(V1_MOUNTS, groups) == Group(1, "/sys/fs/cgroup/memory/system.slice/spoold.service")


def test_version_2() -> None:
    """There is one tree for all controllers."""
    assert locate(V2_MOUNTS, "0::/system.slice/spoold.service\n") == Group(
        2, "/sys/fs/cgroup/system.slice/spoold.service"
    )


def test_both_versions() -> None:
    """A controller is in one of the two trees: where version 1 does not have it, version 2 may."""
    assert locate(V1_MOUNTS, "4:memory:/a\n0::/b\n") == Group(1, "/sys/fs/cgroup/memory/a")
    assert locate(V1_MOUNTS, "5:cpu,cpuacct:/a\n1:name=systemd:/c\n0::/b\n") == Group(2, "/sys/fs/cgroup/unified/b")


def test_a_controller_that_shares_its_tree() -> None:
    """Version 1 can mount several controllers together."""
    mounts = V1_MOUNTS.replace("rw,memory", "rw,cpuset,memory").replace("cgroup/memory", "cgroup/cpuset,memory")
    assert locate(mounts, "4:cpuset,memory:/a\n") == Group(1, "/sys/fs/cgroup/cpuset,memory/a")


def test_a_container_that_sees_its_own_part() -> None:
    """Paths are relative to the root of the mount, which is not always the tree's."""
    mounts = V1_MOUNTS.replace("0:32 / /sys", "0:32 /docker/1f2e /sys")
    assert locate(mounts, "4:memory:/docker/1f2e\n") == Group(1, "/sys/fs/cgroup/memory")
    assert locate(mounts, "4:memory:/docker/1f2e/inner\n") == Group(1, "/sys/fs/cgroup/memory/inner")


def test_a_namespace_of_its_own() -> None:
    """There our group is the root, for the kernel too."""
    assert locate(V2_MOUNTS, "0::/\n") == Group(2, "/sys/fs/cgroup")
    assert locate(V1_MOUNTS, "4:memory:/\n") == Group(1, "/sys/fs/cgroup/memory")


@pytest.mark.parametrize("path", ["/docker/1f2e3d", "/docker", "/", "/../1f2e", "/docker/1f2e/../x"])
def test_a_group_that_can_not_be_seen(path: str) -> None:
    """A group beside, above or outside of what is mounted is not found by mistake."""
    mounts = V1_MOUNTS.replace("0:32 / /sys", "0:32 /docker/1f2e /sys")
    assert locate(mounts, f"4:memory:{path}\n0::/b\n") is None


def test_a_second_mount_of_another_part() -> None:
    """The first that shows our group is taken."""
    both = V2_MOUNTS.replace("0:26 / /sys/fs/cgroup", "0:26 /other /mnt/other") + V2_MOUNTS
    assert locate(both, "0::/mine\n") == Group(2, "/sys/fs/cgroup/mine")


def test_a_mount_above_our_namespace() -> None:
    """Inside a container that was given a group of another, the kernel writes both paths with dots."""
    mounts = V1_MOUNTS + V1_MOUNTS.replace("0:32 / /sys", "0:32 /../../rig /sys")
    assert locate(mounts, "4:memory:/../../rig/system.slice\n") == Group(1, "/sys/fs/cgroup/memory/system.slice")
    assert locate(mounts, "4:memory:/../../rig\n") == Group(1, "/sys/fs/cgroup/memory")
    assert locate(mounts, "4:memory:/../../other\n") is None


def test_what_is_hidden_by_a_later_mount() -> None:
    """Of two mounts on one folder only the later is seen, whatever it is."""
    assert locate(V2_MOUNTS + V2_MOUNTS.replace("0:26 / ", "0:26 /a "), "0::/a/b\n") == Group(2, "/sys/fs/cgroup/b")
    assert locate(V2_MOUNTS + "50 23 0:50 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n", "0::/a/b\n") is None


def test_names_with_blanks() -> None:
    """The kernel writes them as octal numbers."""
    mounts = V2_MOUNTS.replace("/sys/fs/cgroup", r"/mnt/a\040b\134c").replace("0:26 / ", r"0:26 /x\040y ")
    assert locate(mounts, "0::/x y/z: w\n") == Group(2, r"/mnt/a b\c/z: w")


@pytest.mark.parametrize(("mounts", "groups"), [("", ""), (V2_MOUNTS, ""), ("", "0::/a\n"), (V2_MOUNTS, "4:cpu:/a\n")])
def test_no_groups_at_all(mounts: str, groups: str) -> None:
    """A kernel without them, or a container that shows none, is nothing unusual."""
    assert locate(mounts, groups) is None
