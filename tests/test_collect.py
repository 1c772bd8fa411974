"""Archives as Moodle and Canvas give them out, and as students would like to have them unpacked."""

import datetime
import io
import json
import stat
import struct
import zipfile

import nbformat
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small_course import UNIT, write_unit

from autograder import build, cli, collect, ingest
from autograder.collect import Person
from autograder.errors import UsageError
from cnnkit import exercises

OTHER = "03-conv-forward"
UNITS = [UNIT, OTHER]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The released notebook of the small unit, as bytes."""
    source = build.source_notebook(write_unit(tmp_path_factory.mktemp("course")))
    return nbformat.writes(build.student_notebook(source)).encode()


def pack(files, **more):
    """The bytes of an archive; ``files`` are ``{name or ZipInfo: bytes}``."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, **more) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


@pytest.fixture
def take(tmp_path):
    """A function from a system and files to ``(Collected, {path below the folder: bytes})``."""

    def run(system, files):
        archive = tmp_path / "download.zip"
        archive.write_bytes(files if isinstance(files, bytes) else pack(files))
        done = collect.collect(archive, system, tmp_path / "submitted", UNITS)
        folder = tmp_path / "submitted"
        found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        outside = {p.name for p in tmp_path.iterdir()} - {"download.zip", "submitted"}
        assert not outside
        return done, found

    return run


def notebooks(found):
    return sorted(path for path in found if path.endswith(".ipynb"))


@pytest.mark.parametrize(
    ("system", "name", "student"),
    [
        ("moodle", "Ada Lovelace_12345_assignsubmission_file_/answers.ipynb", "ada-lovelace"),
        ("moodle", "Ada Lovelace_12345_assignsubmission_file/unit 3/answers.ipynb", "ada-lovelace"),
        ("moodle", "Ada Lovelace_12345_assignsubmission_file_answers.ipynb", "ada-lovelace"),
        ("moodle", "Zoë Müller-O'Hara_7_assignsubmission_file_/a.ipynb", "zoë-müller-o-hara"),
        ("moodle", "Participant 9_9_assignsubmission_file_/a.ipynb", "participant-9"),
        ("moodle", "Default group_assignsubmission_file_/a.ipynb", "default-group"),
        ("moodle", "week 3/Ada Lovelace_12345_assignsubmission_file_/a.ipynb", "ada-lovelace"),
        ("canvas", "lovelaceada_12345_67890_answers.ipynb", "lovelaceada-12345"),
        ("canvas", "lovelaceada_LATE_12345_67890_3_4_answers-1.ipynb", "lovelaceada-12345"),
        ("canvas", "lovelaceada_late_12345_67890_answers.ipynb", "lovelaceada-12345"),
        ("canvas", "anon_aB3x9_67890_answers.ipynb", "anon-ab3x9"),
        ("canvas", "LATE_anon_aB3x9_67890_7_answers.ipynb", "anon-ab3x9"),
        ("canvas", "submissions/李雷_12_34_a.ipynb", "李雷-12"),
    ],
)
def test_names_as_the_systems_give_them(take, notebook, system, name, student):
    done, found = take(system, {name: notebook})
    assert notebooks(found) == [f"{student}/{UNIT}/{UNIT}.ipynb"]
    assert found[f"{student}/{UNIT}/{UNIT}.ipynb"] == notebook
    assert done.problems == []
    assert bool(done.late) == ("late_" in name.lower())


def test_full_names_are_kept_for_the_gradebook(take, notebook, tmp_path):
    take("moodle", {"Ada King Lovelace_12_assignsubmission_file_/a.ipynb": notebook})
    assert collect.people(tmp_path / "submitted") == {"ada-king-lovelace": Person("Ada King Lovelace", ("12",))}
    assert collect.people(tmp_path) == {}


def test_canvas_knows_its_users_by_the_number_in_the_files_names(take, notebook, tmp_path):
    for _ in range(2):
        done, _ = take("canvas", {"doejane_LATE_12_67_x.ipynb": notebook, "anon_aB3x9_68_x.ipynb": notebook})
        assert done.notes == []
    assert collect.people(tmp_path / "submitted") == {"doejane-12": Person(canvas_id="12"), "anon-ab3x9": Person()}


@pytest.fixture
def lesson(tmp_path_factory):
    """A function from a unit to a released notebook of it."""
    return lambda unit, more="": (
        b'{"cells": [{"metadata": {"nbgrader": {"grade_id": "%s"}}}]}' % exercises.names(unit)[0].encode()
        + more.encode()
    )


def ada(number):
    return f"Ada Lovelace_{number}_assignsubmission_file_/x.ipynb"


def test_moodles_number_is_another_in_each_assignment_and_the_student_the_same(take, lesson, tmp_path):
    take("moodle", {ada(40231): lesson(UNIT)})
    done, found = take("moodle", {ada(40877): lesson(OTHER)})
    assert notebooks(found) == [f"ada-lovelace/{unit}/{unit}.ipynb" for unit in UNITS]
    assert collect.people(tmp_path / "submitted")["ada-lovelace"].moodle == ("40231", "40877")
    # The same assignment again, with another of that name who is late.
    done, found = take("moodle", {ada(40231): lesson(UNIT, " "), ada(40300): lesson(UNIT, "  ")})
    assert found[f"ada-lovelace/{UNIT}/{UNIT}.ipynb"] == lesson(UNIT, " ")
    assert found[f"ada-lovelace-40300/{UNIT}/{UNIT}.ipynb"] == lesson(UNIT, "  ")
    (note,) = done.notes
    assert "Ada Lovelace: more than one student" in note and "as ada-lovelace-40300 beside ada-lovelace." in note


def test_students_of_one_name_are_kept_apart(take, lesson):
    done, found = take(
        "moodle", {ada(1): lesson(UNIT), ada(2): lesson(UNIT, " "), "Bo_3_assignsubmission_file_/x.ipynb": lesson(UNIT)}
    )
    assert sorted({path.split("/")[0] for path in notebooks(found)}) == ["ada-lovelace-1", "ada-lovelace-2", "bo"]
    (note,) = done.notes
    assert "kept apart as ada-lovelace-1, ada-lovelace-2." in note
    # Nobody can tell which of the two it is in the next week, nor is it taken for a third one in silence.
    done, found = take("moodle", {ada(7): lesson(OTHER)})
    assert f"ada-lovelace-7/{OTHER}/{OTHER}.ipynb" in found
    (note,) = done.notes
    assert "as ada-lovelace-7 beside ada-lovelace-1, ada-lovelace-2." in note
    # The same archive again is the same.
    assert notebooks(take("moodle", {ada(1): lesson(UNIT), ada(7): lesson(OTHER)})[1]) == notebooks(found)


def test_anonymous_students_are_one_line_and_not_one_student(take, lesson):
    files = {f"Participant_{i}_assignsubmission_file_/x.ipynb": lesson(UNIT) for i in range(10, 20)}
    done, found = take("moodle", files)
    assert len(notebooks(found)) == 10
    (note,) = done.notes
    assert (
        "kept apart as participant-10, participant-11, participant-12, participant-13, participant-14 and 5 more"
        in note
    )


def test_a_notebook_of_another_number_is_not_replaced_in_silence(take, lesson):
    take("moodle", {ada(1): lesson(UNIT)})
    done, found = take("moodle", {ada(2): lesson(UNIT, " "), "Bo_3_assignsubmission_file_/x.ipynb": lesson(UNIT)})
    assert found[f"ada-lovelace/{UNIT}/{UNIT}.ipynb"] == lesson(UNIT, " ")
    (note,) = done.notes
    assert note.startswith(f"replaced, and Moodle has another number for what was there: ada-lovelace {UNIT}.")
    assert take("moodle", {ada(2): lesson(UNIT)})[0].notes == []


def test_a_folder_collected_when_numbers_were_part_of_the_name_goes_on(take, lesson, tmp_path):
    (tmp_path / "submitted" / "ada-lovelace-40231" / UNIT).mkdir(parents=True)
    (tmp_path / "submitted" / "names.json").write_text('{"ada-lovelace-40231": "Ada Lovelace", "bo-2": "Bo"}')
    done, found = take("moodle", {ada(40877): lesson(OTHER), "Bo_3_assignsubmission_file_/x.ipynb": lesson(OTHER)})
    assert notebooks(found) == [f"ada-lovelace-40231/{OTHER}/{OTHER}.ipynb", f"bo/{OTHER}/{OTHER}.ipynb"]
    assert done.notes == []
    assert notebooks(take("moodle", {ada(40231): lesson(UNIT)})[1])[0] == f"ada-lovelace-40231/{UNIT}/{UNIT}.ipynb"


def test_a_notebook_that_cannot_be_read_is_known_by_its_title(take):
    _, found = take("canvas", {f"a_1_2_{UNIT}-2.ipynb": b"{"})
    assert notebooks(found) == [f"a-1/{UNIT}/{UNIT}.ipynb"]


def test_the_last_of_several_notebooks_is_taken_and_the_others_named(take, notebook):
    done, found = take("canvas", {"a_1_90_x.ipynb": notebook + b" ", "a_1_8_y.ipynb": notebook, "a_1_9_z.pdf": b""})
    assert found[f"a-1/{UNIT}/{UNIT}.ipynb"] == notebook + b" "
    assert done.problems == [f"a_1_8_y.ipynb: left out, there is a later {UNIT} of a-1"]


def test_collecting_again_replaces(take, notebook):
    take("canvas", {"a_1_1_x.ipynb": notebook})
    _, found = take("canvas", {"a_1_2_x.ipynb": notebook + b" "})
    assert found[f"a-1/{UNIT}/{UNIT}.ipynb"] == notebook + b" "


def dated(name, *when):
    info = zipfile.ZipInfo(name, when)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def test_times_are_kept_where_the_archive_has_them(take, notebook, monkeypatch):
    one = dated("A_1_assignsubmission_file_/x.ipynb", 2025, 3, 1, 10, 0, 0)
    two = dated("B_2_assignsubmission_file_/x.ipynb", 2025, 3, 2, 11, 30, 2)
    forged = dated("B_2_assignsubmission_file_/timestamp.txt", 2025, 3, 2, 11, 30, 2)
    done, found = take("moodle", {one: notebook, two: notebook, forged: b"1999-01-01 00:00:00 UTC"})
    assert done.times
    when = datetime.datetime(2025, 3, 2, 11, 30, 2).astimezone(datetime.UTC)
    assert found[f"b/{UNIT}/timestamp.txt"].decode() == f"{when:%Y-%m-%d %H:%M:%S} UTC\n"
    done, found = take("moodle", {dated(one.filename, 2025, 3, 3, 0, 0, 0): notebook})
    assert not done.times
    assert f"a/{UNIT}/timestamp.txt" not in found


# What should not be unpacked


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


HEAD = "A_1_assignsubmission_file_"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({f"{HEAD}/../../x.ipynb": b"{}"}, "a path that leads out of the archive"),
        ({f"/{HEAD}/x.ipynb": b"{}"}, "a path that leads out of the archive"),
        ({f"C:{HEAD}/x.ipynb": b"{}"}, "a path that leads out of the archive"),
        ({f"{HEAD}/..\\..\\x.ipynb": b"{}"}, "a path that leads out of the archive"),
        ({link(f"{HEAD}/x.ipynb"): b"/etc/passwd"}, "a link"),
        ({f"{HEAD}/x.ipynb": b"{}"}, "no unit of this course"),
        ({f"{HEAD}/x.pdf": b"{}"}, "no notebook"),
        ({"A_1_assignsubmission_onlinetext_/onlinetext.html": b""}, "an answer typed into the page"),
        ({"x.ipynb": b"{}"}, "not a name that Moodle gives"),
        ({"___1_assignsubmission_file_/x.ipynb": b"{}", "_!_assignsubmission_file_/x.ipynb": b""}, "no student's name"),
        ({f"{HEAD}/x.zip": b"PK"}, "no zip file, or damaged"),
        ({f"{HEAD}/x.zip": pack({"../x.ipynb": b"{}"})}, "a path that leads out of the archive"),
        ({f"{HEAD}/x.zip": pack({link("x.ipynb"): b"/etc/passwd"})}, "a link"),
        ({f"{HEAD}/x.zip": pack({"x.ipynb": bytes(60 << 20)})}, "over the limit of 50 MiB when unpacked"),
        ({f"{HEAD}/x.zip": pack({f"{i}.ipynb": b"" for i in range(1001)})}, "an archive of more than 1000 files"),
        ({f"{HEAD}/x.ipynb": bytes(60 << 20)}, "over the limit of 50 MiB when unpacked"),
    ],
)
def test_what_is_not_taken_is_named_and_the_others_are_taken(take, notebook, files, reason):
    done, found = take("moodle", files | {"B_2_assignsubmission_file_/x.ipynb": notebook})
    assert notebooks(found) == [f"b/{UNIT}/{UNIT}.ipynb"]
    assert any(reason in line and "\n" not in line for line in done.problems), done.problems


def test_an_archive_in_the_archive_is_unpacked(take, notebook):
    inner = pack({"work/": b"", "work/x.ipynb": notebook, "work/.ipynb_checkpoints/x-checkpoint.ipynb": b"{}"})
    done, found = take("canvas", {"a_1_2_work.zip": inner})
    assert notebooks(found) == [f"a-1/{UNIT}/{UNIT}.ipynb"]
    assert done.problems == []


def test_a_size_that_is_a_lie_is_not_believed(take, notebook):
    big = f"{HEAD}/x.ipynb"
    data = bytearray(pack({big: bytes(60 << 20), "B_2_assignsubmission_file_/x.ipynb": notebook}))
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(big.encode()))
    struct.pack_into("<I", data, at + 24, 10)
    done, found = take("moodle", bytes(data))
    assert found[f"b/{UNIT}/{UNIT}.ipynb"] == notebook
    assert not any(path.startswith("a/") and len(held) > 10 for path, held in found.items())
    assert [line for line in done.problems if line.startswith(big)]


def test_an_encrypted_file_is_named(take, notebook):
    data = bytearray(pack({f"{HEAD}/x.ipynb": notebook}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    done, _ = take("moodle", bytes(data))
    assert "encrypted" in done.problems[0]


def test_a_bomb_of_many_files_stops_at_a_limit(take, monkeypatch):
    monkeypatch.setattr(collect, "MAX_TOTAL", 1 << 20)
    files = {f"s_{i}_{i}_x.ipynb": bytes(1 << 17) for i in range(20)}
    with pytest.raises(UsageError, match="unpacks to more than"):
        take("canvas", files)
    monkeypatch.setattr(collect, "MAX_ENTRIES", 10)
    with pytest.raises(UsageError, match="more than 10 files"):
        take("canvas", files)


@given(st.binary(max_size=400), st.data())
def test_any_damage_is_a_refusal_or_a_line(tmp_path_factory, noise, data):
    good = bytearray(pack({f"{HEAD}/x.ipynb": b'{"grade_id": "practice"}', f"{HEAD}/y.zip": pack({"a.ipynb": b"{}"})}))
    if good and noise:
        at = data.draw(st.integers(0, len(good) - 1))
        good[at : at + len(noise)] = noise
    folder = tmp_path_factory.mktemp("any")
    (folder / "a.zip").write_bytes(good)
    try:
        done = collect.collect(folder / "a.zip", "moodle", folder / "to", UNITS)
    except UsageError:
        return
    assert done.submissions or done.problems or not any(folder.glob("to/**/*.ipynb"))
    for path in (p for p in folder.rglob("*") if p.is_file() and p.name != "a.zip"):
        assert path.is_relative_to(folder / "to")


# The command


def invoke(*arguments):
    return CliRunner().invoke(cli.main, ["collect", *map(str, arguments)])


def test_the_command_says_what_it_did_and_what_it_could_not(tmp_path, notebook):
    (tmp_path / "a.zip").write_bytes(pack({"doejane_LATE_1_2_x.ipynb": notebook, "roejohn_3_4_y.ipynb": b"{}"}))
    with cli.console.capture() as captured:
        done = invoke(tmp_path / "a.zip", "--from", "canvas", "--to", tmp_path / "in")
    assert done.exit_code == 1
    told = captured.get()
    assert f"1 notebook of 1 student in {tmp_path / 'in'}" in told
    assert f"late doejane-1 {UNIT}: Canvas says so" in told
    assert "not taken roejohn_3_4_y.ipynb: no unit of this course" in told
    [submission], strays = ingest.find(tmp_path / "in", [UNIT], [UNIT])
    assert submission.student == "doejane-1" and not strays
    json.loads(ingest.load(submission.path))


def test_an_archive_that_cannot_be_read_hides_nothing_of_those_before_it(tmp_path, notebook):
    (tmp_path / "a.zip").write_bytes(pack({"doejane_1_2_x.ipynb": notebook, "roejohn_3_4_y.ipynb": b"{}"}))
    with cli.console.capture() as captured:
        done = invoke(tmp_path / "a.zip", "nowhere.zip", "--from", "canvas", "--to", tmp_path / "in")
    assert (done.exit_code, done.stderr) == (2, "error: there is no nowhere.zip\n")
    assert "not taken roejohn_3_4_y.ipynb: no unit of this course" in captured.get()


def test_bad_usage_is_one_line(tmp_path):
    (tmp_path / "a.zip").write_text("no archive")
    (tmp_path / "none.zip").write_bytes(pack({"folder/": b""}))
    (tmp_path / "moodle.zip").write_bytes(pack({"Ada Lovelace_1_assignsubmission_file/a.ipynb": b"", "notes.txt": b""}))
    (tmp_path / "canvas.zip").write_bytes(pack({"lovelaceada_1_2_a.ipynb": b""}))
    for arguments, told in [
        (["nowhere.zip", "--from", "canvas"], "error: there is no nowhere.zip"),
        ([tmp_path / "a.zip", "--from", "moodle"], "is no zip file, or is damaged"),
        ([tmp_path / "none.zip", "--from", "moodle"], "none.zip holds no files"),
        ([tmp_path / "moodle.zip", "--from", "canvas"], "has names as Moodle gives them: --from moodle"),
        ([tmp_path / "canvas.zip", "--from", "moodle"], "has names as Canvas gives them: --from canvas"),
        ([tmp_path / "a.zip", "--from", "ilias"], "'ilias' is not one of 'moodle', 'canvas'"),
        ([tmp_path / "a.zip"], "Missing option '--from'"),
    ]:
        done = invoke(*arguments, "--to", tmp_path / "in")
        assert done.exit_code == 2 and told in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert done.stdout == ""
