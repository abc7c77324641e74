"""Pascal VOC's xml files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.train.data.support import kinds, opened, refused, voc_object, write_voc


def test_boxes_classes_and_names(tmp_path: Path) -> None:
    hard = voc_object(
        "aeroplane", "1 1 64 48", "<difficult>1</difficult><part><name>x</name></part>"
    )
    write_voc(tmp_path, {"b": voc_object("car", "11 6 20.5 10") + hard, "a": ""})
    dataset = opened(f"voc:{tmp_path}")
    assert len(dataset.class_names) == 20 and dataset.category_ids == tuple(range(1, 21))
    record = dataset.record(1)
    assert (record.name, record.width, record.height) == ("b.png", 64, 48)
    assert record.path == tmp_path / "JPEGImages" / "b.png"
    assert record.objects.boxes_xyxy.tolist() == [[10, 5, 20.5, 10], [0, 0, 64, 48]]
    assert [dataset.class_names[c] for c in record.objects.classes] == ["car", "aeroplane"]
    assert record.objects.crowds.tolist() == [False, True]
    assert record.objects.entries.tolist() == [0, 1]
    assert len(dataset.record(0).objects) == 0
    assert dataset.pixels(0).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        ("inclusive", [10, 5, 20, 10]),
        ("shifted", [10, 5, 19, 9]),
        ("verbatim", [11, 6, 20, 10]),
    ],
)
def test_what_corners_mean(corners: Any, box: list[float], tmp_path: Path) -> None:
    write_voc(tmp_path, {"a": voc_object(box="11 6 20 10")})
    record = opened(f"voc:{tmp_path}", corners=corners).record(0)
    assert record.objects.boxes_xyxy.tolist() == [box]


def test_unknown_corners(tmp_path: Path) -> None:
    write_voc(tmp_path, {"a": ""})
    assert "not 'yes'" in refused(f"voc:{tmp_path}", corners="yes")


def test_a_box_of_one_pixel_is_one_pixel(tmp_path: Path) -> None:
    write_voc(tmp_path, {"a": voc_object(box="5 5 5 5")})
    dataset = opened(f"voc:{tmp_path}")
    assert dataset.record(0).objects.areas.tolist() == [1]
    assert len(opened(f"voc:{tmp_path}", corners="shifted").record(0).objects) == 0


def test_every_part_has_the_classes_of_all(tmp_path: Path) -> None:
    write_voc(tmp_path, {"a": voc_object("zebra"), "b": voc_object("ant"), "c": ""})
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nc\n")
    (lists / "ant_val.txt").write_text("a -1\nb  1\nc  0\n")
    train, val = opened(f"voc:{tmp_path}:train"), opened(f"voc:{tmp_path}:ant_val")
    assert train.class_names == val.class_names == ("ant", "zebra")
    assert [train.record(i).name for i in range(len(train))] == ["a.png", "c.png"]
    assert [val.record(i).name for i in range(len(val))] == ["b.png", "c.png"]
    assert train.record(0).objects.classes.tolist() == [1]
    assert "did you mean 'train'?" in refused(f"voc:{tmp_path}:trian")
    (lists / "more.txt").write_text("a\nnothing\n")
    assert "more.txt: line 2: there is no" in refused(f"voc:{tmp_path}:more")


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        (voc_object("", "1 1 2 2"), "field", "'name' is missing"),
        (voc_object("car", "1 1 x 2"), "field", "'bndbox/xmax' is 'x', and must be a number"),
        ("<object><name>car</name></object>", "field", "'bndbox/xmin' is missing"),
        (voc_object("car", "9 1 2 2"), "inverted", "the box [8, 0, 2, 2]"),
        (voc_object("car", "nan 1 2 2"), "not-finite", "nan"),
        (voc_object("car", "1 1e999 2 2"), "not-finite", "inf"),
        (voc_object("car", "65 1 70 2"), "outside", "of an image of 64x48"),
        (voc_object(extra="<difficult>maybe</difficult>"), "field", "'difficult' is 'maybe'"),
    ],
)
def test_a_bad_object_is_refused_or_left_out(
    wrong: str, kind: str, said: str, tmp_path: Path
) -> None:
    write_voc(tmp_path, {"a": voc_object() + wrong})
    text = refused(f"voc:{tmp_path}")
    assert f"{tmp_path / 'Annotations' / 'a.xml'}: object 1: " in text and said in text
    dataset = opened(f"voc:{tmp_path}", bad="skip")
    assert kinds(dataset) == {kind: 1}
    assert dataset.record(0).objects.entries.tolist() == [0]


LAUGHS = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is no XML, line 1: syntax error"),
    "cut": (b"<annotation>\n<object>", "is no XML, line 2: no element found"),
    "other": (b"<html/>", "the outermost element is 'html'"),
    "laughs": (
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><annotation>&l9;</annotation>'.encode(),
        "declares a document type",
    ),
    "external": (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
        "declares a document type",
    ),
    "utf-16 entities": (
        '<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>'.encode("utf-16"),
        "declares a document type",
    ),
    "entity": (b"<annotation>&x;</annotation>", "undefined entity"),
    "deep": (b"<annotation>" + b"<a>" * 5000, "more than 64 deep"),
    "encoding": (b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "unknown encoding"),
    "latin-1": ("<annotation>é</annotation>".encode("latin-1"), "not well-formed"),
    "size": (b"<annotation><size><width>x</width></size></annotation>", "'size' is 'x' by ''"),
    "other size": (
        b"<annotation><size><width>9</width><height>9</height></size></annotation>",
        "its boxes are for 9x9",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_or_left_out(case: str, tmp_path: Path) -> None:
    content, said = FILES[case]
    write_voc(tmp_path, {"a": "", "b": voc_object()})
    (tmp_path / "Annotations" / "a.xml").write_bytes(content)
    text = refused(f"voc:{tmp_path}")
    assert str(tmp_path / "Annotations" / "a.xml") in text and said in text
    dataset = opened(f"voc:{tmp_path}", bad="skip")
    assert [dataset.record(i).name for i in range(len(dataset))] == ["b.png"]
    assert dataset.problems.errors == 1


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    write_voc(tmp_path, {"a": "", "b": voc_object()})
    with (tmp_path / "Annotations" / "a.xml").open("wb") as file:
        file.truncate(1 << 25)
    assert "has more than 16,777,216 bytes" in refused(f"voc:{tmp_path}")


def test_names_of_images(tmp_path: Path) -> None:
    write_voc(tmp_path, {"a": voc_object()}, "0 0")
    xml = tmp_path / "Annotations" / "a.xml"
    good = xml.read_text()
    for name in ("a.jpg", "../../../etc/passwd", "", "C:\\photos\\a.png"):
        xml.write_text(good.replace("<filename>a.png", f"<filename>{name}"))
        record = opened(f"voc:{tmp_path}").record(0)
        assert (record.name, record.width, record.height) == ("a.png", 64, 48)
    (tmp_path / "JPEGImages" / "a.png").unlink()
    xml.write_text(good.replace("<filename>a.png", "<filename>../../../etc/passwd"))
    assert "leads out of the folder" in refused(f"voc:{tmp_path}")
    xml.write_text(good)
    assert "a.png' is not there" in refused(f"voc:{tmp_path}")


def test_xml_beside_images(tmp_path: Path) -> None:
    write_voc(tmp_path, {"a": voc_object("ant")})
    (tmp_path / "Annotations" / "a.xml").rename(tmp_path / "a.xml")
    (tmp_path / "JPEGImages" / "a.png").rename(tmp_path / "a.png")
    for folder in ("Annotations", "JPEGImages"):
        (tmp_path / folder).rmdir()
    dataset = opened(f"voc:{tmp_path}")
    assert (dataset.class_names, len(dataset.record(0).objects)) == (("ant",), 1)


def test_a_folder_without_xml(tmp_path: Path) -> None:
    assert "holds no xml files" in refused(f"voc:{tmp_path}")
