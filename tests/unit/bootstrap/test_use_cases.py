import subprocess
import sys

# In a process of its own, for other tests import numpy. The name is what the server calls.
CHOOSE = """
import sys
from fluxrouter_server.bootstrap import use_cases
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_testing.catalogs import full_catalog
chooser = use_cases.tier_policies().of(full_catalog())
print(chooser.choose("Prove that $x^2 \\\\ge 0$.", tuple(Tier)).reasons)
print("numpy" in sys.modules)
"""


def test_a_server_chooses_by_the_model_of_the_package_and_without_numpy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHOOSE], capture_output=True, text=True, check=True
    )
    reasons, has_numpy = done.stdout.splitlines()
    assert "mathematical notation" in reasons
    assert has_numpy == "False"
