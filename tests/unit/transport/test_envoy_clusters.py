from pathlib import Path
from typing import Any

from fluxrouter_server.transport.envoy_clusters import ClusterPlan, EndpointPlan, cluster_file

CA = Path("/etc/ca.pem")


def cluster(base_url: str, *endpoints: EndpointPlan) -> dict[str, Any]:
    (found,) = cluster_file([ClusterPlan("upstream/a", base_url, endpoints)], CA)["resources"]
    assert found["name"] == found["load_assignment"]["cluster_name"] == "upstream/a"
    return dict(found)


def address(found: dict[str, Any]) -> dict[str, Any]:
    endpoint = found["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    return dict(endpoint["address"]["socket_address"])


def test_https_is_verified_by_its_host_and_asked_for_by_name() -> None:
    found = cluster("https://api.example.com/v1")
    assert address(found) == {"address": "api.example.com", "port_value": 443}
    assert found["type"] == "LOGICAL_DNS"
    context = found["transport_socket"]["typed_config"]
    assert context["sni"] == "api.example.com"
    validation = context["common_tls_context"]["validation_context"]
    assert validation["trusted_ca"] == {"filename": "/etc/ca.pem"}
    (name,) = validation["match_typed_subject_alt_names"]
    assert name == {"san_type": "DNS", "matcher": {"exact": "api.example.com"}}


def test_http_has_no_tls_and_an_address_needs_no_dns() -> None:
    found = cluster("http://127.0.0.1:8000")
    assert address(found) == {"address": "127.0.0.1", "port_value": 8000}
    assert found["type"] == "STATIC"
    assert "transport_socket" not in found
    assert address(cluster("http://models.internal/v1"))["port_value"] == 80


def test_several_endpoints_keep_their_weights_and_those_that_are_near_come_first() -> None:
    found = cluster(
        "https://api.example.com",
        EndpointPlan("10.0.0.1", 1, weight=3),
        EndpointPlan("10.0.1.1", 2, is_near=False),
        EndpointPlan("10.0.0.2", 3),
    )
    assert found["type"] == "STATIC"
    assert [
        (group["priority"], [end["load_balancing_weight"] for end in group["lb_endpoints"]])
        for group in found["load_assignment"]["endpoints"]
    ] == [(0, [3, 1]), (1, [1])]
    assert "outlier_detection" in found
    # Whatever the address, it must show to be who the base URL says.
    assert found["transport_socket"]["typed_config"]["sni"] == "api.example.com"


def test_where_none_is_near_all_are_as_good() -> None:
    far = [EndpointPlan(f"{name}.test", 1, is_near=False) for name in "ab"]
    found = cluster("http://x.test", *far)
    assert found["type"] == "STRICT_DNS"
    (group,) = found["load_assignment"]["endpoints"]
    assert (group["priority"], len(group["lb_endpoints"])) == (0, 2)
