from typing import Any

import pytest
from jsonschema import Draft202012Validator

from serving.service import Beholder

DOCUMENT = Beholder.openapi_spec.asdict()
POSTS = [
    "/recommend",
    "/recommend_by_image",
    "/similar",
    "/predict_rating",
    "/predict_rating_by_image",
    "/feedback",
]
GALLERY = ["/items", "/items/{item_id}", "/items/{item_id}/picture", "/explain"]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(references(part) for part in value))
    return set()


def test_every_address_of_the_service_is_documented():
    documented = set(DOCUMENT["paths"])
    assert documented == {*POSTS, *GALLERY, "/model", "/livez", "/healthz", "/readyz", "/metrics"}
    assert {method.route for method in Beholder.apis.values()} == set(POSTS)


def test_every_reference_leads_somewhere():
    names = {reference.rpartition("/")[2] for reference in references(DOCUMENT)}
    assert names <= set(DOCUMENT["components"]["schemas"])


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_schema_is_valid_and_its_examples_fit(name: str):
    schema = DOCUMENT["components"]["schemas"][name]
    Draft202012Validator.check_schema(schema)
    for field in schema["properties"].values():
        resolved = {**field, "components": DOCUMENT["components"]}
        for example in field.get("examples", []):
            Draft202012Validator(resolved).validate(example)


@pytest.mark.parametrize("path", POSTS)
def test_operation_says_what_it_takes_answers_and_refuses(path: str):
    operation = DOCUMENT["paths"][path]["post"]
    assert operation["summary"]
    assert {"200", "400", "413", "415", "422", "500"} <= set(operation["responses"])
    (media_type,) = operation["requestBody"]["content"]
    assert media_type == ("multipart/form-data" if "image" in path else "application/json")


def test_operations_stand_under_headings_that_are_described():
    headings = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    operations = [item for path in DOCUMENT["paths"].values() for item in path.values()]
    assert {tag for operation in operations for tag in operation["tags"]} == headings
    assert {len(operation["tags"]) for operation in operations} == {1}
    assert DOCUMENT["paths"]["/similar"]["post"]["tags"] == ["recommend"]
    assert DOCUMENT["paths"]["/items/{item_id}"]["get"]["tags"] == ["items"]


def test_lock_is_shown_where_a_key_may_be_needed_only():
    open_paths = {
        path
        for path, item in DOCUMENT["paths"].items()
        for operation in item.values()
        if operation.get("security") == []
    }
    assert open_paths == {"/model", "/livez", "/healthz", "/readyz"}


def test_no_example_names_a_category_that_a_model_may_lack():
    schemas = DOCUMENT["components"]["schemas"].values()
    fields = [one["properties"]["category"] for one in schemas if "category" in one["properties"]]
    assert len(fields) > 2
    assert [field for field in fields if "examples" in field] == []


def test_uploads_are_binary_and_only_they_are_required():
    schema = DOCUMENT["components"]["schemas"]["RecommendByImageRequest"]
    assert schema["properties"]["image"]["items"]["format"] == "binary"
    assert schema["required"] == ["image"]
    assert schema["additionalProperties"] is False


def test_client_of_bentoml_sees_uploads_as_files():
    routes = {route["name"]: route for route in Beholder.schema()["routes"]}
    assert routes["recommend_by_image"]["input"]["properties"]["image"]["items"]["type"] == "file"
