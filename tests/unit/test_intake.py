"""Taking manifests: what is accepted, when, and how drops of an existing job wait."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from spoold.journal.format import JobRecord
from spoold.journal.scan import records
from spoold.spool import Spool
from spoold.supervisor.config import Limits
from spoold.supervisor.intake import Intake, Scan
from spoold.supervisor.promote import waiting_drop


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A new spool."""
    made = Spool(str(tmp_path / "spool"))
    made.create()
    return made


@pytest.fixture
def intake(spool: Spool) -> Intake:
    """An intake that has recovered."""
    one = Intake(spool, Limits(), 8, budget=60)
    one.recover()
    return one


def manifest(job: str | None = None, extra: str = "") -> bytes:
    """A small manifest."""
    name = f"job: {job}\n" if job else ""
    return f"{name}handler: a.b:c\nsource: {{type: range, stop: 5}}\n{extra}".encode()


def drop(spool: Spool, name: str, data: bytes) -> Path:
    """A file in incoming/, moved in complete."""
    temporary = Path(spool.incoming, f".{name[:200]}.part")
    temporary.write_bytes(data)
    return temporary.rename(Path(spool.incoming, name))


def drain(intake: Intake) -> Scan:
    """Scan until nothing more is to be done."""
    whole = Scan()
    while True:
        one = intake.scan(0.0)
        whole.accepted += one.accepted
        whole.ignored += one.ignored
        whole.trouble += one.trouble
        whole.rejected += one.rejected
        whole.again_at = one.again_at
        if not one.more:
            return whole


def test_what_is_dropped_during_a_scan_is_found(spool: Spool) -> None:
    """A call that goes on with what was listed before does not see a file that came since; one after it does."""
    intake = Intake(spool, Limits(), 8, budget=0)
    intake.recover()
    drop(spool, "a.yaml", manifest())
    drop(spool, "b.yaml", manifest())
    first = intake.scan(0.0)
    assert (first.accepted, first.more) == (["a"], True)
    drop(spool, "c.yaml", manifest())
    assert drain(intake).accepted == ["b", "c"]


def test_a_manifest_becomes_a_job(spool: Spool, intake: Intake) -> None:
    """The job has the manifest byte for byte, a journal that says where it came from, and the drop is gone."""
    path = drop(spool, "night.yaml", manifest())
    before = path.stat()
    assert drain(intake).accepted == ["night"]
    job = spool.job("night")
    assert Path(job.manifest).read_bytes() == manifest()
    assert os.listdir(spool.incoming) == []
    (found,) = [one.record for one in records(f"{job.journal}/001-000.jsonl")]
    assert isinstance(found, JobRecord)
    assert (found.event, found.fields["mode"]) == ("accepted", "drop")
    assert found.fields["drop"] == {
        "name": "night.yaml", "dev": before.st_dev, "ino": before.st_ino, "mtime_ns": before.st_mtime_ns,
        "ctime_ns": before.st_ctime_ns, "sha256": hashlib.sha256(manifest()).hexdigest(), "uid": os.geteuid(),
    }  # fmt: skip


def test_suffixes_and_the_spool_itself(spool: Spool, intake: Intake) -> None:
    """A .yaml, .yml or .json is taken, from incoming/ and from the spool's own folder; status.json never."""
    drop(spool, "a.yml", manifest())
    drop(spool, "b.json", b'{"handler": "a:b", "source": {"type": "items", "items": [1]}}')
    Path(spool.root, "c.yaml").write_bytes(manifest())
    Path(spool.status).write_text("{}")
    assert drain(intake).accepted == ["a", "b", "c"]
    assert Path(spool.status).exists()
    assert os.listdir(spool.rejected) == []


def test_names_left_alone(spool: Spool, intake: Intake) -> None:
    """Unfinished names are left without a word, foreign ones told of once; none is touched."""
    silent = [".a.yaml", "a.yaml~", "a.yaml.tmp", "a.yaml.part", "a.yaml.swp"]
    foreign = ["a.txt", "README", "b\n\x1b.dat"]
    for name in silent + foreign:
        Path(spool.incoming, name).write_bytes(manifest())
    first = drain(intake)
    assert sorted(first.ignored) == ["README", "a.txt", "b\\n\\x1b.dat"]
    assert (first.accepted, first.rejected) == ([], [])
    assert drain(intake).ignored == []
    assert sorted(os.listdir(spool.incoming)) == sorted(silent + foreign)


def test_open_for_writing(spool: Spool, intake: Intake) -> None:
    """A manifest that somebody still writes is not read, however long they pause, and is taken when it is closed."""
    path = Path(spool.incoming, "half.yaml")
    with path.open("wb") as file:
        file.write(b"job: half\nhandler: a.b:c\n")
        file.flush()
        first = intake.scan(0.0)
        assert (first.accepted, first.rejected, first.again_at) == ([], [], 2.0)
        assert intake.scan(1000.0).rejected == []
        file.write(b"source: {type: range, stop: 5}\n")
    assert drain(intake).accepted == ["half"]


def test_in_order_of_their_drop(spool: Spool, intake: Intake) -> None:
    """Manifests are taken in the order in which they were dropped, whatever their names."""
    names = ["zz", "aa", "mm", "bb"]
    for name in names:
        drop(spool, f"{name}.yaml", manifest())
    assert drain(intake).accepted == names


def test_run_key(spool: Spool, intake: Intake) -> None:
    """With a run key JOB is job@key, the key from the time of the drop."""
    drop(spool, "a.yaml", manifest("daily", 'run: "%Y"\n'))
    (name,) = drain(intake).accepted
    assert name.startswith("daily@20")
    assert Path(spool.job(name).manifest).exists()


def test_redrop_waits(spool: Spool, intake: Intake) -> None:
    """A manifest for a job that exists waits as next.yaml with its drop record; a later one takes its place."""
    contents = [manifest("old", f"workers: {count}\n") for count in (1, 2, 3)]
    for number, data in enumerate(contents):
        drop(spool, f"{number}.yaml", data)
        assert drain(intake).accepted == ["old"]
    job = spool.job("old")
    assert Path(job.manifest).read_bytes() == contents[0]
    assert Path(job.next).read_bytes() == contents[2]
    lines = [json.loads(line) for line in Path(job.next_drop).read_text().splitlines()]
    assert [line["name"] for line in lines] == ["1.yaml", "2.yaml"]
    found = waiting_drop(job, hashlib.sha256(contents[2]).hexdigest())
    assert found is not None
    assert found["name"] == "2.yaml"


def test_the_same_file_again(spool: Spool, intake: Intake) -> None:
    """Dropping the same bytes under the same name again is a new drop."""
    for _ in range(2):
        drop(spool, "a.yaml", manifest())
        assert drain(intake).accepted == ["a"]
    assert Path(spool.job("a").next).read_bytes() == manifest()


def test_ten_thousand_need_not_fit_in_one_call(spool: Spool, intake: Intake) -> None:
    """A call takes at most 200 files and says that there is more; the next goes on."""
    for number in range(450):
        Path(spool.incoming, f"n{number:03d}.txt.yaml").write_bytes(b"")
    done = 0
    calls = 0
    while True:
        scan = intake.scan(0.0)
        calls += 1
        assert len(scan.rejected) <= 200
        done += len(scan.rejected)
        if not scan.more:
            break
    assert done == 450
    assert calls >= 3


def test_incoming_gone_and_back(spool: Spool, intake: Intake) -> None:
    """A folder that is gone raises, and when it is there again manifests are taken."""
    os.rmdir(spool.incoming)
    with pytest.raises(FileNotFoundError):
        intake.scan(0.0)
    os.mkdir(spool.incoming, 0o755)
    drop(spool, "a.yaml", manifest())
    assert drain(intake).accepted == ["a"]


def test_incoming_opened_to_others(spool: Spool, intake: Intake) -> None:
    """While others can write in incoming/ nothing is taken from it, and the trouble says which mode to set."""
    drop(spool, "a.yaml", manifest())
    os.chmod(spool.incoming, 0o777)
    scan = intake.scan(10.0)
    assert scan.accepted == []
    assert "chmod 0755" in scan.trouble[0]
    assert scan.again_at == 15.0
    os.chmod(spool.incoming, 0o755)
    assert drain(intake).accepted == ["a"]


def test_jobs_gone(spool: Spool, intake: Intake) -> None:
    """When a job can't be made nothing is claimed, and the manifest stays until it can."""
    os.rmdir(spool.jobs)
    drop(spool, "a.yaml", manifest())
    scan = drain(intake)
    assert (scan.accepted, scan.rejected) == ([], [])
    assert scan.trouble
    assert os.listdir(spool.incoming) == ["a.yaml"]
    os.mkdir(spool.jobs, 0o755)
    assert drain(intake).accepted == ["a"]


def test_no_folder_of_a_job(spool: Spool, intake: Intake) -> None:
    """A file in the place of a job's folder is not touched; the manifest is rejected."""
    Path(spool.jobs, "a").write_text("mine")
    drop(spool, "a.yaml", manifest())
    assert "no folder of a job" in drain(intake).rejected[0][1]
    assert Path(spool.jobs, "a").read_text() == "mine"
