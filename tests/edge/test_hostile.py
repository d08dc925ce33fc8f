"""Requests that are wrong, or meant to do harm: refused in shape, without a crash or a charge."""

import copy
import json
import random
import socket
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest

from fluxrouter_testing.edge_world import Customer, EdgeWorld

HELLO = [{"role": "user", "content": "Hello"}]
CHAT = "/v1/chat/completions"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
SECOND = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def customer(world: EdgeWorld) -> Customer:
    return world.customer()


def chat(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the body's
    return {"model": "flux-fast", "messages": HELLO, **fields}


def deep(levels: int) -> bytes:
    return b'{"model":"m","messages":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": NaN}',
        b'{"model": "a", "model": "flux-fast", "messages": []}',
        b'{"model": "flux-fast", "temperature": 1e999, "messages": []}',
        b'{"n": ' + b"9" * 5000 + b"}",
        deep(65),
        deep(100_000),
        chat(model=""),
        chat(model=7),
        chat(model="x" * 257),
        chat(messages=[]),
        chat(messages="Hello"),
        chat(messages=["Hello"]),
        chat(max_tokens=-1),
        chat(max_tokens=0),
        chat(max_tokens=1.5),
        chat(max_tokens=True),
        chat(max_tokens="many"),
        chat(max_completion_tokens=10**30),
        chat(n=0),
        chat(n=10**6),
        chat(stream="yes"),
        chat(tools={}),
        chat(tools=["search"]),
        chat(tools=[{"type": "web_search"}]),
        chat(service_tier="priority"),
        chat(modalities=["text", "audio"]),
        chat(store=True),
        chat(messages=[{"role": "user", "content": [{"type": "file", "file": 7}]}]),
        chat(messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]),
        chat(
            model="llama-3.1-8b",
            messages=[
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}
            ],
        ),
    ],
)
def test_a_body_that_is_wrong_is_refused_in_shape_and_costs_nothing(
    customer: Customer, body: object
) -> None:
    answer = customer.post(CHAT, body)
    assert answer.status == 400, answer.body
    error = answer.json["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert answer.headers["x-should-retry"] == "false"
    assert customer.spend().settled_nano_usd == customer.spend().held_nano_usd == 0


@pytest.mark.parametrize(
    "path,body",
    [
        ("/v1/responses", {"model": "gpt-mini"}),
        ("/v1/responses", {"model": "gpt-mini", "input": "x", "previous_response_id": "r"}),
        ("/v1/responses", {"model": "gpt-mini", "input": "x", "background": True}),
        ("/v1/responses", {"model": "gpt-mini", "input": [{"type": "item_reference", "id": "i"}]}),
        ("/v1/responses", {"model": "gpt-mini", "input": "x", "tools": [{"type": "mcp"}]}),
        ("/v1/embeddings", {"model": "text-embedding"}),
        ("/v1/embeddings", {"model": "llama-3.1-8b", "input": "x"}),
    ],
)
def test_the_other_endpoints_refuse_what_they_cannot_price(
    customer: Customer, path: str, body: object
) -> None:
    answer = customer.post(path, body)
    assert answer.status == 400, answer.body
    assert answer.json["error"]["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": -1},
        {"messages": []},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"mcp_servers": [{"url": "https://example.com"}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "document", "source": {"type": "url", "url": "https://x.test"}}
                    ],
                }
            ]
        },
    ],
)
def test_anthropics_clients_get_anthropics_shape(
    customer: Customer, fields: dict[str, Any]
) -> None:
    body = {"model": "claude-haiku", "max_tokens": 10, "messages": HELLO, **fields}
    answer = customer.post("/anthropic/v1/messages", body)
    assert answer.status == 400
    assert answer.json["type"] == "error"
    assert answer.json["error"]["type"] == "invalid_request_error"


def test_the_sdks_raise_their_own_errors(world: EdgeWorld, customer: Customer) -> None:
    stranger = Customer(world, "nobody", "fr-none")
    with pytest.raises(openai.AuthenticationError):
        stranger.openai().models.list()
    with pytest.raises(anthropic.AuthenticationError):
        stranger.anthropic().messages.create(model="claude-haiku", max_tokens=5, messages=HELLO)
    with pytest.raises(openai.NotFoundError) as missing:
        customer.openai().chat.completions.create(model="lama-3.1-8b", messages=HELLO)
    assert "llama-3.1-8b" in str(missing.value)
    with pytest.raises(openai.BadRequestError):
        customer.openai().chat.completions.create(model="flux-fast", messages=[])
    with pytest.raises(openai.NotFoundError):
        customer.openai().models.retrieve("nothing")


@pytest.mark.parametrize(
    "headers,status",
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer fr-x"}, 401),
        ({"authorization": "Basic Zm9vOmJhcg=="}, 401),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-length": str(2**40)}, 413),
    ],
)
def test_headers_that_cannot_be_served_are_refused(
    customer: Customer, headers: dict[str, str], status: int
) -> None:
    answer = customer.post(CHAT, chat(), headers)
    assert answer.status == status
    assert answer.json["error"]["code"]


def test_a_body_that_does_not_end_is_cut_off(customer: Customer) -> None:
    try:
        status = customer.post(CHAT, b'{"x": "' + b"a" * (17 * 1024 * 1024) + b'"}').status
    except ConnectionError:  # the refusal came, and the end, while we were still sending
        status = 413
    assert status == 413
    assert customer.chat("Hello").status == 200


@pytest.mark.parametrize(
    "method,path,status",
    [
        ("GET", CHAT, 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/files", 404),
        ("GET", "/v1/", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("POST", "/v1/..%2f..%2fetc/passwd", 404),
        ("POST", "/anthropic/v1/complete", 404),
    ],
)
def test_other_paths_are_refused_in_the_shape_of_their_clients(
    world: EdgeWorld, method: str, path: str, status: int
) -> None:
    answer = world.ask(method, path)
    assert answer.status == status
    assert ("type" in answer.json) is path.startswith("/anthropic")


@pytest.mark.parametrize(
    "head",
    [
        POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
        POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        POST + b"x: a\rb\r\n\r\n",
        POST + b"x : y\r\n\r\n",
        b"GET /v1/models\r\n\r\n",
    ],
)
def test_smuggled_requests_get_one_refusal_and_an_end(world: EdgeWorld, head: bytes) -> None:
    with socket.create_connection(world.address, timeout=10) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b" 200 " not in answer


def test_a_header_cannot_be_injected_by_a_model_or_a_key(customer: Customer) -> None:
    evil = "flux-fast\r\nx-evil: 1"
    answer = customer.post(CHAT, chat(model=evil))
    assert answer.status == 404
    assert "x-evil" not in answer.headers


#: A valid request of each endpoint, to be damaged.
WHOLE: dict[str, dict[str, Any]] = {
    CHAT: chat(max_tokens=5, tools=[{"type": "function", "function": {"name": "f"}}]),
    "/v1/responses": {"model": "gpt-mini", "input": HELLO, "max_output_tokens": 5},
    "/v1/embeddings": {"model": "text-embedding", "input": ["Hello"]},
    "/anthropic/v1/messages": {"model": "claude-haiku", "max_tokens": 5, "messages": HELLO},
    "/anthropic/v1/messages/count_tokens": {"model": "claude-haiku", "messages": HELLO},
}
EVIL: list[object] = [
    *(None, True, -1, 0, 10**30, -(10**30), 1.5, 1e308, "", "\0", "\ud800", "x" * 70_000),
    *([], {}, [[]], [None], {"": None}, {"$ref": "#"}, {"type": "image_url"}, {"url": PIXEL}),
    *("../../etc/passwd", "{{7*7}}", "\r\nx-evil: 1", "data:image/png;base64,=", "NaN", "1e999"),
]
ROUNDS = 200


def spoilt(whole: dict[str, Any], chance: random.Random) -> bytes:
    """One request, with bytes of it or values in it changed at random."""
    if chance.random() < 0.4:
        damaged = bytearray(json.dumps(whole).encode())
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        return bytes(damaged)
    changed = json.loads(json.dumps(whole))
    for _ in range(chance.randint(1, 3)):
        place: Any = changed
        name = chance.choice([*place, "n", "tools", "stream_options", "response_format"])
        while isinstance(place.get(name) if isinstance(place, dict) else place[name], dict | list):
            inner = place[name]
            if not inner or chance.random() < 0.3:
                break
            place, name = inner, chance.choice([*inner] if isinstance(inner, dict) else [0])
        place[name] = copy.deepcopy(chance.choice(EVIL))
    return json.dumps(changed).encode()


@pytest.mark.parametrize("path", WHOLE)
def test_of_a_thousand_spoilt_requests_none_crashes_and_none_is_charged_in_secret(
    customer: Customer, path: str
) -> None:
    chance = random.Random(path)  # the same damage each time
    told = 0
    for _ in range(ROUNDS):
        body = spoilt(WHOLE[path], chance)
        answer = customer.post(path, body)
        assert answer.status in {200, 400, 404}, (body[:300], answer)
        assert "x-evil" not in answer.headers
        if answer.status == 200:
            told += int(Decimal(answer.headers.get("x-flux-cost-usd", "0")) * 10**9)
        else:
            assert answer.json["error"]["message"]
            assert ("type" in answer.json) is path.startswith("/anthropic")
    spend = customer.spend()
    assert (spend.held_nano_usd, spend.settled_nano_usd) == (0, told)


def test_no_key_and_no_text_of_a_caller_is_in_the_log(customer: Customer) -> None:
    customer.chat("a secret of mine")
    customer.chat("a secret of mine [[simulate status=500]]")
    customer.post(CHAT, b'{"a secret of mine"')
    log = customer.world.log.read_text(encoding="utf-8")
    assert customer.key not in log
    assert "a secret of mine" not in log
    assert "Traceback" not in log
