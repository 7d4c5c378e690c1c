from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ParameterError
from flows.trace_names import (
    Name,
    Question,
    choose_name,
    explain_unknown,
    read_question,
)

NAMES = [
    Name("version", "champion", 3),
    *(Name("version", str(number), number) for number in (1, 2, 3, 12)),
    Name("lineage", "814e34d0720b36d1", 1),
    Name("lineage", "814effffffffffff", 2),
    Name("lineage", "aaaa34d0720b36d1", 3),
    Name("lineage", "aaaa34d0720b36d1", 12),
    Name("run", "bf61ca409c504aea9975a6984668cfe2", 1),
    Name("bento", "c836fdbb1c7a3210", 1),
    Name("batch", "1fc38462ec764217"),
    Name("batch", "1fc3000000000000"),
]


@pytest.mark.parametrize(
    ("given", "text", "kind"),
    [
        ("814e34d0720b36d1", "814e34d0720b36d1", None),
        ("  '814e' ", "814e", None),
        ("v3", "3", "version"),
        ("version 3", "3", "version"),
        ("models:/beholder/3", "3", "version"),
        ("models:/beholder@champion", "champion", "version"),
        ("beholder:c836fdbb1c7a3210", "c836fdbb1c7a3210", "bento"),
        ("item:print-0001", "print-0001", "item"),
        ("image: ab12", "ab12", "image"),
        ("X-Beholder-Lineage: 814e34d0720b36d1", "814e34d0720b36d1", "lineage"),
        ("X-Request-Id: order-7", "order-7", "request"),
        ("request:3", "3", "request"),
        ("x-beholder-version: 3\r\n", "3", "version"),
        ('ETag: "814e34d0720b36d1"', "814e34d0720b36d1", None),
        ('{"model": {"version": "3", "lineage_id": "814e"}, "items": []}', "814e", "lineage"),
        ('{"version": "3", "lineage_id": "814e"}', "814e", "lineage"),
    ],
)
def test_what_people_paste_is_understood(given: str, text: str, kind: str | None):
    assert read_question(given) == Question(text, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["{", "{}", "[]{", '{"model": 3}', '{"error": "not ready"}'])
def test_json_that_is_no_answer_is_said_to_be_none(text: str):
    if text.startswith("{"):
        with pytest.raises(ParameterError, match="no answer of the endpoint"):
            read_question(text)
    else:
        assert read_question(text) == Question(text)


@given(st.sampled_from(NAMES))
def test_every_name_is_found_by_itself(name: Name):
    found = choose_name(Question(name.text, name.kind), NAMES)
    assert found is not None
    assert found.text == name.text


@given(st.sampled_from([n for n in NAMES if len(n.text) >= 16]), st.integers(5, 16))
def test_a_beginning_that_is_long_enough_finds_the_name(name: Name, length: int):
    found = choose_name(Question(name.text[:length].upper()), NAMES)
    assert found is not None
    assert found.text == name.text


def test_beginning_of_several_is_refused_with_all_of_them():
    with pytest.raises(ParameterError, match=r"814e34d0720b36d1 \(v1\), lineage 814efff"):
        choose_name(Question("814e"), NAMES)


def test_of_two_versions_of_one_lineage_the_newest_is_meant():
    for text in ("aaaa34d0720b36d1", "aaaa34"):
        found = choose_name(Question(text), NAMES)
        assert found is not None
        assert found.version == 12


def test_number_is_a_version_and_no_beginning_of_one():
    found = choose_name(Question("1"), [*NAMES, Name("batch", "1")])
    assert found == Name("version", "1", 1)
    assert choose_name(Question("1234"), [Name("version", "12345", 12345)]) is None


def test_kind_that_is_said_excludes_all_others():
    assert choose_name(Question("3", "lineage"), NAMES) is None
    assert choose_name(Question("1fc38462ec764217", "run"), NAMES) is None


def test_unknown_id_names_the_nearest_and_what_is_accepted():
    said = str(explain_unknown(Question("814e34d0720b36d2"), NAMES))
    assert "nearest: lineage 814e34d0720b36d1 (v1)" in said
    assert "accepted are a version's number" in said
    assert "bf61ca40" in str(explain_unknown(Question("bf61cb40"), NAMES))


def test_unknown_id_in_an_empty_registry_is_said_plainly():
    assert "nearest" not in str(explain_unknown(Question("3"), []))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("previous", "no version was champion before the one of now; 'beholder trace champion'"),
        ("Champion", "no version is champion yet; 'beholder retrain'"),
    ],
)
def test_alias_that_names_nothing_yet_is_said_plainly(text: str, says: str):
    for kind in (None, "version"):
        assert str(explain_unknown(Question(text, kind), [])).startswith(says)  # type: ignore[arg-type]
    assert "accepted are" in str(explain_unknown(Question(text, "run"), []))


@given(st.text(max_size=60))
def test_no_text_is_more_than_an_expected_failure(text: str):
    with suppress(ParameterError):
        question = read_question(text)
        choose_name(question, NAMES)
        assert explain_unknown(question, NAMES).args


def test_whole_http_answer_is_read_by_its_body():
    answer = 'HTTP/1.1 200 OK\r\nx-request-id: a\r\n\r\n{"model": {"lineage_id": "abcd1234"}}'
    assert read_question(answer) == Question("abcd1234", "lineage")
