"""As much of Vault's transit API as objectd uses, as a resource.

https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

TOKEN = "s.token"


class Transit(Resource):
    """`status` answers every request with that instead, `body` with those bytes; `silent`
    never answers."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys: dict[str, list[bytes]] = {}
        self.oldest: dict[str, int] = {}
        self.status = 0
        self.body: bytes | None = None
        self.silent = False
        self.asked: list[str] = []

    def render(self, request: Request) -> Any:
        path = request.path.decode()
        self.asked.append(f"{request.method.decode()} {path}")
        if self.silent:
            return NOT_DONE_YET
        if self.body is not None:
            return self.body
        status, document = self._answer(request, path)
        request.setResponseCode(status)
        return b"" if document is None else json.dumps(document).encode()

    def _answer(self, request: Request, path: str) -> tuple[int, dict[str, Any] | None]:
        if self.status:
            return self.status, {"errors": ["as the test wants it"]}
        if request.getHeader("x-vault-token") != TOKEN:
            return 403, {"errors": ["permission denied"]}
        prefix = "/v1/transit/"
        if not path.startswith(prefix):
            return 404, {"errors": ["no handler for route"]}
        words = path.removeprefix(prefix).split("/")
        body = json.loads(request.content.read() or b"{}")  # type: ignore[union-attr]
        match request.method.decode(), *words:
            case "GET", "keys" if b"list" in (request.args or {}):
                return (
                    (200, {"data": {"keys": [*self.keys]}}) if self.keys else (404, {"errors": []})
                )
            case "GET", "keys", name if name in self.keys:
                versions = {str(n): 1_700_000_000 + n for n in range(1, len(self.keys[name]) + 1)}
                return 200, {"data": {"latest_version": len(versions), "keys": versions}}
            case "GET", "keys", _:
                return 404, {"errors": []}
            case "POST", "keys", name:
                assert body["derived"] is True
                self.keys.setdefault(name, [os.urandom(32)])
                return 204, None
            case "POST", "keys", name, "rotate" if name in self.keys:
                self.keys[name].append(os.urandom(32))
                return 204, None
            case "POST", "keys", _, "rotate":
                return 400, {"errors": ["key not found"]}
            case "POST", "datakey", "plaintext", name:
                return self._data_key(name, body)
            case "POST", "decrypt", name:
                return self._decrypted(name, body)
        return 404, {"errors": ["no handler for route"]}

    def _data_key(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if name not in self.keys:
            return 400, {"errors": ["encryption key not found"]}
        version, plain, nonce = len(self.keys[name]), os.urandom(body["bits"] // 8), os.urandom(12)
        sealed = nonce + self._cipher(name, version, body).encrypt(nonce, plain, None)
        return 200, {
            "data": {
                "plaintext": b64encode(plain).decode(),
                "ciphertext": f"vault:v{version}:{b64encode(sealed).decode()}",
            }
        }

    def _decrypted(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if name not in self.keys:
            return 400, {"errors": ["encryption key not found"]}
        try:
            vault, version, text = body["ciphertext"].split(":")
            sealed = b64decode(text, validate=True)
            number = int(version.removeprefix("v"))
            if vault != "vault" or not 1 <= number <= len(self.keys[name]):
                raise ValueError
        except ValueError:
            return 400, {"errors": ["invalid ciphertext: no prefix"]}
        if number < self.oldest.get(name, 1):
            message = "ciphertext or signature version is disallowed by policy (too old)"
            return 400, {"errors": [message]}
        try:
            plain = self._cipher(name, number, body).decrypt(sealed[:12], sealed[12:], None)
        except InvalidTag:
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": b64encode(plain).decode()}}

    def _cipher(self, name: str, version: int, body: dict[str, Any]) -> AESGCM:
        key = self.keys[name][version - 1]
        return AESGCM(HKDF(SHA256(), 32, None, b64decode(body["context"])).derive(key))
