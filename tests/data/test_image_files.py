import os
from pathlib import Path

import pytest

from components.data.image_files import ImageFolder, UnfitImageError, copy_image
from components.files import hash_file

PNG = b"\x89PNG\r\n\x1a\n and more"
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 "


@pytest.fixture
def folder(tmp_path: Path, picture: bytes) -> ImageFolder:
    images = tmp_path / "images"
    (images / "more").mkdir(parents=True)
    (images / "1.jpg").write_bytes(picture)
    (images / "more/2.jpg").write_bytes(picture)
    (tmp_path / "secret.jpg").write_bytes(picture)
    return ImageFolder(images, max_bytes=10_000)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("1.jpg", "1.jpg"),
        ("images/1.jpg", "1.jpg"),
        ("./1.jpg", "1.jpg"),
        ("more/2.jpg", "more/2.jpg"),
        ("2.jpg", "more/2.jpg"),
        ("covers/old/2.jpg", "more/2.jpg"),
    ],
)
def test_name_is_found_below_the_folder_its_parent_or_by_base_name(
    folder: ImageFolder, name: str, found: str
) -> None:
    assert folder.find(name).as_posix() == found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret.jpg", "leads out"),
        ("more/../../secret.jpg", "leads out"),
        ("..\\secret.jpg", "leads out"),
        ("1.jpg\0", "leads out"),
        ("/etc/passwd", "absolute"),
        ("C:\\secret.jpg", "absolute"),
        ("secret.jpg", "does not exist"),
        (".", "does not exist"),
        ("x" * 5000, "does not exist"),
    ],
)
def test_name_that_means_no_file_within_is_refused(
    folder: ImageFolder, name: str, reason: str
) -> None:
    with pytest.raises(UnfitImageError, match=reason):
        folder.inspect(folder.find(name))


def test_base_name_of_two_files_is_refused(folder: ImageFolder, picture: bytes) -> None:
    (folder.root / "2.png").mkdir()
    (folder.root / "2.png" / "2.jpg").write_bytes(picture)
    with pytest.raises(UnfitImageError, match="names 2 files"):
        folder.find("2.jpg")


def test_link_within_is_followed_and_link_that_leaves_is_refused(folder: ImageFolder) -> None:
    (folder.root / "in.jpg").symlink_to("1.jpg")
    (folder.root / "out.jpg").symlink_to("../secret.jpg")
    (folder.root / "lost.jpg").symlink_to("nothing")
    (folder.root / "circle.jpg").symlink_to("circle.jpg")
    assert folder.inspect(folder.find("in.jpg")).sha256 == hash_file(folder.root / "1.jpg")
    with pytest.raises(UnfitImageError, match="is a link that leads out"):
        folder.inspect(folder.find("out.jpg"))
    for name in ("lost.jpg", "circle.jpg"):
        with pytest.raises(UnfitImageError, match="cannot be read"):
            folder.inspect(folder.find(name))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"GIF89a....", "is neither JPEG, PNG nor WebP"),
        (b"RIFF....WAVE", "is neither"),
        (b"\xff\xd8\xff" + bytes(10_000), "more than the 10,000 allowed"),
    ],
)
def test_unfit_file_is_refused(folder: ImageFolder, content: bytes, reason: str) -> None:
    (folder.root / "x.jpg").write_bytes(content)
    with pytest.raises(UnfitImageError, match=reason):
        folder.inspect(folder.find("x.jpg"))


def test_folder_and_pipe_are_refused_without_waiting(folder: ImageFolder) -> None:
    (folder.root / "d.jpg").mkdir()
    os.mkfifo(folder.root / "p.jpg")
    for name in ("d.jpg", "p.jpg"):
        with pytest.raises(UnfitImageError, match="is no regular file"):
            folder.inspect(folder.find(name))


@pytest.mark.parametrize(("content", "suffix"), [(PNG, "png"), (WEBP, "webp")])
def test_format_is_told_by_the_bytes_not_by_the_name(
    folder: ImageFolder, content: bytes, suffix: str
) -> None:
    (folder.root / "x.jpg").write_bytes(content)
    image = folder.inspect(folder.find("x.jpg"))
    assert image.file == f"{hash_file(folder.root / 'x.jpg')}.{suffix}"
    assert (image.source, image.size) == ("x.jpg", len(content))


def test_names_leave_hidden_files_out(folder: ImageFolder) -> None:
    (folder.root / ".DS_Store").write_bytes(b"x")
    (folder.root / ".git").mkdir()
    (folder.root / ".git/x.jpg").write_bytes(b"x")
    assert [name.as_posix() for name in folder.names] == ["1.jpg", "more/2.jpg"]


def test_image_that_changes_between_looking_and_copying_is_refused(
    folder: ImageFolder, tmp_path: Path
) -> None:
    image = folder.inspect(folder.find("1.jpg"))
    copy_image(image, tmp_path / "copy.jpg")
    assert hash_file(tmp_path / "copy.jpg") == image.sha256
    image.path.write_bytes(b"\xff\xd8\xffother")
    with pytest.raises(UnfitImageError, match="changed while"):
        copy_image(image, tmp_path / "second.jpg")
