import pytest

from miso_upload.errors import MisoUploadError
from miso_upload.transform.schema import resources as shipped
from miso_upload.transform.schema.resources import shipped_schema_file

NAME = "interactions.schema.json"


def test_in_a_wheel_a_schema_is_inside_of_the_package(tmp_path, monkeypatch):
    inside = tmp_path / "schemas" / NAME
    inside.parent.mkdir()
    inside.write_bytes(b"{}")
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)

    assert shipped_schema_file(NAME).read_bytes() == b"{}"


@pytest.mark.parametrize("name", [NAME, "mapping.schema.json"])
def test_in_a_source_tree_it_is_beside_the_package(name, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)

    assert b"urn:miso-upload:" in shipped_schema_file(name).read_bytes()


def test_an_installation_without_it_says_so(tmp_path, monkeypatch, golden):
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "miso_upload" / "shipped.py"))

    with pytest.raises(MisoUploadError) as caught:
        shipped_schema_file(NAME)
    assert str(caught.value) == golden
