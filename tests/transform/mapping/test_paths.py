import pytest

from miso_upload.transform.mapping.paths import ABSENT, first_step, getter

PARAMS = [{"key": "page", "value": {"text": "/p"}}, "no object", {"key": 7, "value": {"text": "n"}}]


@pytest.mark.parametrize(
    ("path", "row", "expected"),
    [
        ("a", {"a": 1}, 1),
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a": '{"b": 1}'}, 1),
        ("a.b", {"a.b": 1, "a": {"b": 2}}, 1),
        ("items[].id", {"items": [{"id": 1}, {}, {"id": None}, {"id": 3}]}, [1, 3]),
        ("items[].id", {"items": '[{"id": "x"}]'}, ["x"]),
        ("items[0].id", {"items": [{"id": 1}, {"id": 2}]}, 1),
        ("items[1].id", {"items": '[{"id": 1}, {"id": 2}]'}, 2),
        ("items[1]", {"items": ["a", "b"]}, "b"),
        ("rows[0][1]", {"rows": [["a", "b"]]}, "b"),
        ("p[key=page].value.text", {"p": PARAMS}, "/p"),
        ("p[key=7].value.text", {"p": PARAMS}, "n"),
        ("p[key=a.b].v", {"p": [{"key": "a.b", "v": 1}]}, 1),
        ("p[key=a=b].v", {"p": [{"key": "a=b", "v": 1}]}, 1),
        ("p[key=a].v", {"p": [{"key": "a", "v": 1}, {"key": "a", "v": 2}]}, 1),
        ("o[].p[key=a].v", {"o": [{"p": [{"key": "a", "v": 1}]}, {"p": []}]}, [1]),
        (
            "p[*key=a].v",
            {"p": [{"key": "a", "v": 1}, "x", {"key": "b"}, {"key": "a", "v": 2}]},
            [1, 2],
        ),
        ("p[*key=7].value.text", {"p": PARAMS}, ["n"]),
        ("Price [EUR]", {"Price [EUR]": 5}, 5),
    ],
)
def test_a_path_leads_into_a_row(path, row, expected):
    assert getter(path)(row) == expected


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("a", {}),
        ("a.b", {"a": "no json"}),
        ("items[].id", {"items": []}),
        ("items[].id", {"items": [{"id": None}]}),
        ("items[].id", {"items": {"id": 1}}),
        ("items[2].id", {"items": [{"id": 1}]}),
        ("items[0].id", {"items": {"0": {"id": 1}}}),
        ("p[key=other].value", {"p": PARAMS}),
        ("p[other=page].value", {"p": PARAMS}),
        ("p[key].value", {"p": PARAMS}),
        ("p[key=page].value", {"p": None}),
    ],
)
def test_a_path_that_leads_nowhere_finds_nothing(path, row):
    assert getter(path)(row) is ABSENT


@pytest.mark.parametrize("path", ["a", "a.b", "a[]", "a[].b", "a[0].b", "a[key=x.y].b"])
def test_a_path_starts_in_a_column(path):
    assert first_step(path) == "a"
