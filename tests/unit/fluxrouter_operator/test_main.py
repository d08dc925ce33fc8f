import pytest

from fluxrouter_operator.__main__ import main


def test_the_unbuilt_operator_ends_with_what_to_use_instead() -> None:
    with pytest.raises(SystemExit, match="fluxrouter apply -f"):
        main()
