"""What an Envoy worker is told, by way of a file.

The file lies in a directory that only this user may enter, and is written and read by the same
installation; so it may be a pickle, which carries settings as they are, secrets included.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fluxrouter_server.settings import Settings

__all__ = ["ORDERS_VARIABLE", "WorkerOrders", "read_orders", "write_orders"]

#: Names the file in a worker's environment.
ORDERS_VARIABLE: Final = "FLUXROUTER_WORKER_ORDERS"


@dataclass(frozen=True, slots=True)
class WorkerOrders:
    """One worker's.

    Attributes:
        settings: The server's, with the store's address where it is embedded.
        link_socket: Where the worker answers the process that started it.
        simulator_url: Where the HTTP edge calls for models whose upstream is not described; empty:
            nowhere.
    """

    settings: Settings
    link_socket: Path
    simulator_url: str = ""


def write_orders(path: Path, orders: WorkerOrders) -> None:
    """Writes the file, readable by its owner alone."""
    path.touch(mode=0o600)
    path.write_bytes(pickle.dumps(orders))


def read_orders(path: Path) -> WorkerOrders:
    """Reads the file."""
    orders = pickle.loads(path.read_bytes())  # noqa: S301 - written by our own parent, see above
    if not isinstance(orders, WorkerOrders):
        raise TypeError(f"{path} holds no orders for a worker")
    return orders
