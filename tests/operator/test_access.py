"""Who may do what: the operator signs in with its own token, and has no right that it need not."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import grpc
import pytest
import trustme
import yaml

from fluxrouter.v1 import control_pb2
from fluxrouter_server.cli.session import CallRefused, Session
from fluxrouter_testing.fleet import running_fleet
from fluxrouter_testing.kubernetes_api import KubectlError, KubernetesApi
from fluxrouter_testing.kubernetes_operator import (
    ACCOUNT,
    NAMESPACE,
    install_operator_account,
    running_operator,
)
from fluxrouter_testing.kubernetes_platform import Platform, installed_kubernetes
from fluxrouter_testing.kubernetes_samples import (
    account_document,
    catalog_document,
    plan_document,
)

SECRET = "tester-4c1e"


@dataclass(frozen=True)
class Secured:
    """A platform whose server lets nobody in without a credential, over TLS."""

    platform: Platform
    session: Session
    operator_kubeconfig: Path

    def token(self, audience: str, account: str = ACCOUNT) -> str:
        return self.platform.api.token(NAMESPACE, account, f"--audience={audience}")

    def call(self, credential: str) -> control_pb2.ListResponse:
        session = replace(self.session, credential=credential)
        request = control_pb2.ListRequest(kind=control_pb2.RESOURCE_KIND_PLAN)
        return session.call(session.control.List, request)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    (folder / "credentials.yaml").write_text(yaml.safe_dump(credentials()))
    options = [
        *("--credentials-file", str(folder / "credentials.yaml")),
        *("--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.pem")),
    ]
    with ExitStack() as stack:
        api = stack.enter_context(installed_kubernetes())
        operator_kubeconfig = install_operator_account(api)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(install_server_account(api)))
            fleet = stack.enter_context(running_fleet(servers=1, options=options))
        token = folder / "token"
        token.write_text(api.token(NAMESPACE, ACCOUNT, "--audience=fluxrouter"))
        address = fleet.servers[0].address
        access = ("--token-file", str(token), "--tls-ca", str(folder / "ca.pem"))
        operator = stack.enter_context(
            running_operator(folder, operator_kubeconfig, address, *access)
        )
        session = replace(fleet.servers[0].session(SECRET), ca_file=folder / "ca.pem")
        yield Secured(Platform(api, fleet, operator, folder), session, operator_kubeconfig)


def credentials() -> list[dict[str, object]]:
    return [
        {
            "name": "operator",
            "scopes": ["control", "read"],
            "serviceAccount": f"{NAMESPACE}/{ACCOUNT}",
        },
        {"name": "tester", "scopes": ["read"], "sha256": sha256(SECRET.encode()).hexdigest()},
    ]


def install_server_account(api: KubernetesApi) -> Path:
    """The server's ServiceAccount, which may ask whose a token is and nothing else."""
    api.kubectl("create", "serviceaccount", "fluxrouter-server", "-n", NAMESPACE)
    api.kubectl(
        *("create", "clusterrolebinding", "fluxrouter-server"),
        "--clusterrole=system:auth-delegator",
        f"--serviceaccount={NAMESPACE}:fluxrouter-server",
    )
    return api.service_account_kubeconfig(NAMESPACE, "fluxrouter-server")


def test_the_operator_signs_in_with_its_token_over_tls(secured: Secured) -> None:
    platform = secured.platform
    platform.apply(catalog_document(), plan_document(), account_document())
    platform.wait_ready("account", "demo")
    platform.wait(lambda: "spend" in platform.status("account", "demo"))
    assert "free" in {plan.plan.metadata.name for plan in secured.call(SECRET).resources}


def test_a_token_for_another_audience_lets_nobody_in(secured: Secured) -> None:
    secured.call(secured.token("fluxrouter"))
    assert refusal(secured, secured.token("https://kubernetes.default.svc"))
    assert refusal(secured, secured.token("somebody-else"))


def test_a_token_of_another_service_account_lets_nobody_in(secured: Secured) -> None:
    secured.platform.api.kubectl("create", "serviceaccount", "other", "-n", NAMESPACE)
    assert refusal(secured, secured.token("fluxrouter", "other"))


def test_a_forged_token_lets_nobody_in(secured: Secured) -> None:
    head, _, tail = secured.token("fluxrouter").rpartition(".")
    assert refusal(secured, f"{head}.{tail[::-1]}")
    assert refusal(secured, "a.b.c")


def test_an_operator_without_a_credential_says_so_everywhere(secured: Secured) -> None:
    platform = secured.platform
    platform.operator.stop()
    try:
        access = ("--tls-ca", str(platform.folder / "ca.pem"))
        address = platform.fleet.servers[0].address
        with running_operator(platform.folder, secured.operator_kubeconfig, address, *access):
            platform.apply(plan_document("locked"))
            unknown = platform.wait_condition(
                "plan", "locked", "Enforced=Unknown/ServerUnreachable"
            )
            assert "UNAUTHENTICATED" in unknown["message"]
    finally:
        platform.operator.start()
    platform.wait_ready("plan", "locked")


def test_an_operator_of_a_namespace_leaves_the_others_alone(secured: Secured) -> None:
    platform = secured.platform
    platform.api.kubectl("create", "namespace", "ours")
    platform.operator.stop()
    try:
        access = (
            *("--tls-ca", str(platform.folder / "ca.pem")),
            *("--token-file", str(platform.folder / "token"), "--namespace", "ours"),
        )
        address = platform.fleet.servers[0].address
        with running_operator(platform.folder, secured.operator_kubeconfig, address, *access):
            theirs = account_document("theirs", "default")
            platform.apply(plan_document(), theirs, account_document("ours", "ours"))
            platform.wait_ready("account", "ours", "ours")
            assert platform.resource("account", "theirs") is not None
            assert platform.status("account", "theirs") == {}
    finally:
        platform.operator.start()
    platform.wait_ready("account", "theirs")


def test_a_token_is_not_believed_while_the_cluster_is_silent(secured: Secured) -> None:
    fresh = secured.token("fluxrouter")
    secured.platform.api.stop()
    try:
        with pytest.raises(CallRefused) as refused:
            secured.call(fresh)
        assert refused.value.code is grpc.StatusCode.UNAVAILABLE
    finally:
        secured.platform.api.start()
    secured.call(fresh)


@pytest.mark.parametrize(
    "verb,resource",
    [
        *(("list", "secrets"), ("watch", "secrets"), ("patch", "secrets")),
        *(("create", "plans.fluxrouter.ai"), ("delete", "accounts.fluxrouter.ai")),
        *(("list", "pods"), ("get", "configmaps"), ("list", "events"), ("patch", "namespaces")),
        ("list", "customresourcedefinitions.apiextensions.k8s.io"),
    ],
)
def test_the_operator_may_not_do_what_it_need_not(
    secured: Secured, verb: str, resource: str
) -> None:
    arguments = ("auth", "can-i", verb, resource, "--all-namespaces")
    with pytest.raises(KubectlError, match="no"):
        secured.platform.api.kubectl(*arguments, kubeconfig=secured.operator_kubeconfig)


def test_a_token_never_travels_in_plain_text(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    command = [sys.executable, "-m", "fluxrouter_operator", "--server", "fluxrouter:50051"]
    token = ["--token-file", str(tmp_path / "token")]
    ended = subprocess.run([*command, *token], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "in plain text: give --tls-ca FILE" in ended.stderr


def refusal(secured: Secured, credential: str) -> bool:
    with pytest.raises(CallRefused) as refused:
        secured.call(credential)
    return refused.value.code is grpc.StatusCode.UNAUTHENTICATED
