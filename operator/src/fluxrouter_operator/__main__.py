"""Lets `fluxrouter-operator` and `python -m fluxrouter_operator` start the operator."""


def main() -> None:
    """Starts the operator, once there is one.

    Raises:
        SystemExit: always, for now: resources are applied with the `fluxrouter` command instead.
    """
    raise SystemExit(
        "fluxrouter-operator: this version has no operator yet; use `fluxrouter apply -f` instead"
    )


if __name__ == "__main__":
    main()
