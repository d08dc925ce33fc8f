"""The programs of a real control plane and helm: found where somebody has them, else built once.

`KUBEBUILDER_ASSETS` names a folder with `kube-apiserver` and `etcd`, as controller tools use it,
and `HELM` the program of that name. What is not named is built from the Go modules that
`tests/support/kubernetes-programs/go.mod` and `tests/support/helm-programs/go.mod` pin (some five
minutes on two cores), outside the tree, and kept there: later runs start at once.
`python -m fluxrouter_testing.kubernetes_programs [helm]` prepares them, or helm alone.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fluxrouter_testing.go_builds import Program, ProgramsMissing, built, module_version

__all__ = ["KubernetesPrograms", "helm_program", "kubernetes_programs"]

_KUBERNETES: Final = "kubernetes-programs"
_HELM: Final = "helm-programs"
_HELM_MODULE: Final = "helm.sh/helm/v4"


@dataclass(frozen=True, slots=True)
class KubernetesPrograms:
    """Where the programs of a control plane are."""

    kube_apiserver: Path
    etcd: Path
    kubectl: Path


def kubernetes_programs() -> KubernetesPrograms:
    """Returns the programs, building what is missing; safe in several processes at once.

    Raises:
        ProgramsMissing: `KUBEBUILDER_ASSETS` lacks one, there is no Go, or a build failed.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    folder = Path(assets) if assets else _built_control_plane()
    programs = KubernetesPrograms(
        kube_apiserver=folder / "kube-apiserver",
        etcd=folder / "etcd",
        kubectl=Path(sys.executable).parent / "kubectl",  # of the locked packages
    )
    for program in (programs.kube_apiserver, programs.etcd):
        if not program.exists():
            raise ProgramsMissing(
                f"KUBEBUILDER_ASSETS={assets} has no {program.name}: unset it to build one"
            )
    return programs


def helm_program() -> Path:
    """Returns helm: the one that `HELM` names, else ours; safe in several processes at once.

    Raises:
        ProgramsMissing: it is not there, there is no Go, or the build failed.
    """
    if chosen := os.environ.get("HELM"):
        found = shutil.which(chosen)
        if found is None:
            raise ProgramsMissing(f"HELM={chosen} is not there: unset it to build one")
        return Path(found)
    version = module_version(_HELM, _HELM_MODULE)
    stamps = {f"{_HELM_MODULE}/internal/version.version": version}
    return built(_HELM, version, {"helm": Program(f"{_HELM_MODULE}/cmd/helm", stamps)}) / "helm"


def _built_control_plane() -> Path:
    version = module_version(_KUBERNETES, "k8s.io/kubernetes")
    # Without all of these the API server takes itself for v0.0 and refuses its own defaults.
    major, minor, _ = version.removeprefix("v").split(".")
    known = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    stamps = {f"k8s.io/component-base/version.{name}": value for name, value in known.items()}
    programs = {
        "etcd": Program("go.etcd.io/etcd/server/v3", stamps),
        "kube-apiserver": Program("k8s.io/kubernetes/cmd/kube-apiserver", stamps),
    }
    return built(_KUBERNETES, version, programs)


if __name__ == "__main__":
    try:
        helm_program()
        if sys.argv[1:] != ["helm"]:
            kubernetes_programs()
    except ProgramsMissing as problem:
        sys.exit(f"programs: {problem}")
