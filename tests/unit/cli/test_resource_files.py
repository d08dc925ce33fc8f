"""YAML that kubectl takes is taken; YAML that is wrong is refused with the place and the remedy."""

from pathlib import Path

import pytest

from fluxrouter_server.cli.resource_files import ResourceFileError, read_resources

PLAN = """\
apiVersion: fluxrouter.ai/v1alpha1
kind: Plan
metadata:
  name: free
spec:
  capUsd: "1.00"
"""


def write(folder: Path, text: str, name: str = "resource.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ResourceFileError) as caught:
        read_resources([write(folder, text)])
    return str(caught.value)


def test_a_file_may_hold_several_documents_and_empty_ones(tmp_path: Path) -> None:
    second = PLAN.replace("free", "paid")
    resources = read_resources([write(tmp_path, f"---\n{PLAN}---\n---\n{second}")])
    assert [resource.plan.metadata.name for resource in resources] == ["free", "paid"]


def test_a_folder_stands_for_its_yaml_and_json_files_in_order_of_name(tmp_path: Path) -> None:
    write(tmp_path, PLAN.replace("free", "second"), "b.yml")
    write(tmp_path, PLAN.replace("free", "first"), "a.yaml")
    write(tmp_path, "not a resource", "notes.txt")
    resources = read_resources([str(tmp_path)])
    assert [resource.plan.metadata.name for resource in resources] == ["first", "second"]


def test_what_a_cluster_adds_to_metadata_and_status_is_ignored(tmp_path: Path) -> None:
    text = PLAN.replace("name: free", "name: free\n  uid: 12-34\n  generation: 3") + (
        "status:\n  conditions: [{type: Ready}]\n"
    )
    (resource,) = read_resources([write(tmp_path, text)])
    assert resource.plan.metadata.name == "free"
    assert not resource.plan.HasField("status")


def test_an_instant_is_read_as_the_string_that_it_is_in_json(tmp_path: Path) -> None:
    text = """\
apiVersion: fluxrouter.ai/v1alpha1
kind: Account
metadata: {name: team}
spec:
  plan: free
  apiKeys:
    - {name: ci, expireTime: 2027-01-01T00:00:00Z}
"""
    (resource,) = read_resources([write(tmp_path, text)])
    assert resource.account.spec.api_keys[0].expire_time.ToJsonString() == "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text, words",
    [
        (PLAN + "  capUSD: '2'\n", ["capUSD", "Plan.spec"]),
        (PLAN.replace('"1.00"', "1.00"), ["capUsd", "quoted strings"]),
        (PLAN + '  capUsd: "2.00"\n', ["line 7", "'capUsd' stands twice"]),
        (PLAN.replace("kind: Plan", "kind: Plane"), ["'Plane'", "Plan, Account, Catalog"]),
        (PLAN.replace("fluxrouter.ai/v1alpha1", "v1"), ["'v1'", "fluxrouter.ai/v1alpha1"]),
        ("- just\n- a list\n", ["document 1", "mapping"]),
        ("a: b: c\n", ["not valid YAML", "line 1"]),
        ("", ["no resource"]),
    ],
)
def test_a_wrong_document_is_refused_and_the_place_named(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    message = refusal(tmp_path, text)
    assert [word for word in words if word not in message] == []
    assert "resource.yaml" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "absent.yaml")
    with pytest.raises(ResourceFileError, match=r"absent\.yaml"):
        read_resources([path])


def test_text_that_is_not_utf_8_is_refused_with_the_file_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: \xe9t\xe9\n")
    with pytest.raises(ResourceFileError, match=r"latin\.yaml"):
        read_resources([str(path)])
