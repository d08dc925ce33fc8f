import pytest

from fluxrouter_testing.use_cases import UseCases


@pytest.fixture
async def world() -> UseCases:
    use_cases = UseCases()
    await use_cases.seed()
    return use_cases
