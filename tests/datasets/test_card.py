"""What the data card says is counted, not typed."""

import runpy
from pathlib import Path

from course_lib import weights
from course_lib.datasets import archive, splits
from course_lib.datasets.archive import ARCHIVE, ARCHIVE_SHA256

COURSE = Path(__file__).resolve().parents[2]


def test_the_data_card_holds_the_counted_tables(capsys):
    card = (COURSE / "data" / "README.md").read_text(encoding="utf-8")
    counted = card.split("<!-- counted -->\n")[1].split("<!-- /counted -->")[0]
    runpy.run_module("course_lib.datasets", run_name="__main__")
    assert capsys.readouterr().out == counted


def test_the_data_card_names_the_embedded_model():
    card = (COURSE / "data" / "README.md").read_text(encoding="utf-8")
    assert f"`{weights.PACKAGE}` {weights.PACKAGE_VERSION}," in card
    assert f"`model.safetensors`: `{weights.FILES['model.safetensors']}`" in card


def test_the_data_card_names_hash_salt_and_size():
    card = (COURSE / "data" / "README.md").read_text(encoding="utf-8")
    size = (archive.DOWNLOADS / ARCHIVE).stat().st_size
    for fact in (ARCHIVE_SHA256, f"`{splits._SALT}`", f"{size:,} bytes"):
        assert fact in card
