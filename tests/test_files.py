import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from components.errors import CorruptFileError
from components.files import (
    find_difference,
    hash_json,
    hash_tree,
    read_json,
    read_parquet,
    write_bytes,
    write_folder,
    write_json,
    write_parquet,
)


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "a/b.json", {"b": 1, "a": [0.5, "μ"]})
    assert read_json(tmp_path / "a/b.json") == {"a": [0.5, "μ"], "b": 1}


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"rmse": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_hash_of_json_does_not_depend_on_the_order_of_keys() -> None:
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": 2})


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"a": "1", "b": "2"}, None),
        ({"b": "2"}, "a is missing"),
        ({"a": "1", "b": "3"}, "b is changed"),
        ({"0": "0", "a": "1", "b": "3"}, "0 is unlisted"),
    ],
)
def test_first_file_that_differs_from_what_is_listed_is_told(
    found: dict[str, str], says: str | None
) -> None:
    assert find_difference({"a": "1", "b": "2"}, found) == says


def test_truncated_json_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a":')
    with pytest.raises(CorruptFileError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_same_rows_make_the_same_parquet_bytes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": ["a", "b"], "rating": [1.0, 2.5]})
    write_parquet(tmp_path / "one.parquet", frame)
    write_parquet(tmp_path / "two.parquet", frame.set_index(pd.Index([5, 9])))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "one.parquet"), frame)


def test_flipped_byte_in_parquet_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ratings.parquet"
    write_parquet(path, pd.DataFrame({"rating": [float(n) for n in range(1000)]}))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"ratings\.parquet"):
        read_parquet(path)


def test_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "bundle"

    def write_half() -> None:
        with write_folder(target) as folder:
            (folder / "one").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []
    with write_folder(target) as folder:
        (folder / "one").write_text("1")
    with write_folder(target) as folder:
        (folder / "two").write_text("2")
    assert sorted(hash_tree(target)) == ["two"]
    assert list(tmp_path.iterdir()) == [target]


def test_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    write_bytes(path, b"old")
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from components import files
        files.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        files.write_bytes(Path({str(path)!r}), b"new")
    """)
    killed = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ)
    assert killed.returncode == -9
    assert path.read_bytes() == b"old"


def test_what_a_killed_writer_left_is_removed_by_the_next_and_a_living_ones_is_not(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    left = [tmp_path / f".here.{dead.pid}.{kind}" for kind in ("tmp", "old")]
    kept = [tmp_path / f".here.{os.getppid()}.tmp", tmp_path / ".here.home"]
    for folder in (*left, *kept):
        (folder / "below").mkdir(parents=True)
    with write_folder(tmp_path / "here") as folder:
        (folder / "file").write_text("whole")
    assert [path.exists() for path in (*left, *kept)] == [False, False, True, True]
