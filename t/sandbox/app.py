#!/usr/bin/python3
"""A stand-in for Umbra's Canopy API: the one route that cancels a task, as its OpenAPI document describes it, and the
token endpoint beside it.

    PATCH /tasking/tasks/{id}/cancel    204, or 401, 404, 422
    POST  /oauth/token                  200, or 400, 401, 403

There is one task for each status at start, 00000000-0000-4000-8000-0000000000NN:

    01 RECEIVED    06 REJECTED    11 DELIVERING        16 ANOMALY
    02 REVIEW      07 EXPIRED     12 DELIVERED         17 COMPLETED
    03 ACCEPTED    08 TASKED      13 CANCEL_REQUESTED  18 SUBMITTED
    04 ACTIVE      09 PROCESSING  14 CANCELED          19 TRANSMITTED
    05 SCHEDULED   10 PROCESSED   15 ERROR             20 INCOMPLETE

Tokens are accepted as CANOPY_SANDBOX_TOKENS lists them (comma separated), and those that the token endpoint issued for
this API (CANOPY_SANDBOX_AUDIENCE). The endpoint knows one client, CANOPY_SANDBOX_CLIENT_ID with
CANOPY_SANDBOX_CLIENT_SECRET. With neither tokens nor a client, any token is accepted.

Beside the API there are doors for tests, which need no token:

    GET    /_sandbox/requests    all requests below /tasking, in order
    DELETE /_sandbox/requests    forget them
    GET    /_sandbox/tasks       {id: status}
    POST   /_sandbox/tasks       {"id": ..., "status": ...}: create a task or set its status
    GET    /_sandbox/exchanges   all exchanges at the token endpoint, in order
    DELETE /_sandbox/exchanges   forget them: the budget is whole again
    DELETE /_sandbox/tokens      revoke all tokens issued so far
    PATCH  /_sandbox/issuing     {"lifetime": seconds, "budget": in 24 hours, "encoded": its refusal's description is text}
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from datetime import datetime, timezone
from enum import Enum
from typing import Optional
from uuid import UUID

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel


class Status(str, Enum):
    RECEIVED = "RECEIVED"
    REVIEW = "REVIEW"
    ACCEPTED = "ACCEPTED"
    ACTIVE = "ACTIVE"
    SCHEDULED = "SCHEDULED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    TASKED = "TASKED"
    PROCESSING = "PROCESSING"
    PROCESSED = "PROCESSED"
    DELIVERING = "DELIVERING"
    DELIVERED = "DELIVERED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    CANCELED = "CANCELED"
    ERROR = "ERROR"
    ANOMALY = "ANOMALY"
    COMPLETED = "COMPLETED"
    SUBMITTED = "SUBMITTED"
    TRANSMITTED = "TRANSMITTED"
    INCOMPLETE = "INCOMPLETE"


class Task(BaseModel):
    id: UUID
    status: Status


class Issuing(BaseModel):
    lifetime: int = 86400
    budget: int = 50
    encoded: bool = False


class IssuingChange(BaseModel):
    lifetime: Optional[int] = None
    budget: Optional[int] = None
    encoded: Optional[bool] = None


CANCELABLE = {Status.SCHEDULED, Status.SUBMITTED, Status.ACCEPTED, Status.ACTIVE}

tokens = [token for token in os.environ.get("CANOPY_SANDBOX_TOKENS", "").split(",") if token]
tasks = {UUID(f"00000000-0000-4000-8000-{number:012}"): status for number, status in enumerate(Status, start=1)}
requests = []

ISSUER = "https://auth.canopy.umbra.space/"
LIVE = "https://api.canopy.umbra.space"
SANDBOX = "https://api.canopy.prod.umbra-sandbox.space"
WINDOW = 24 * 3600

audience = os.environ.get("CANOPY_SANDBOX_AUDIENCE") or SANDBOX
client = os.environ.get("CANOPY_SANDBOX_CLIENT_ID"), os.environ.get("CANOPY_SANDBOX_CLIENT_SECRET")
key = secrets.token_bytes(32)
issuing = Issuing()
exchanges = []
issued = set()

app = FastAPI(title="Tasking", description="Canopy API for Self-Service Tasking (stand-in)")


@app.patch("/tasking/tasks/{id}/cancel", status_code=204, response_class=Response)
def cancel_task(id: UUID):
    if id not in tasks:
        raise HTTPException(404, "Task not found")
    if tasks[id] not in CANCELABLE:
        raise HTTPException(422, [{
            "loc": ["path", "id"],
            "msg": f"Task cannot be canceled: its status is {tasks[id].value}",
            "type": "value_error.task_status",
        }])
    tasks[id] = Status.CANCEL_REQUESTED


# As at Canopy, the token comes first: without one, no path below the API's tells anything.
@app.middleware("http")
async def remember_and_authenticate(request: Request, call_next):
    if request.url.path.split("/")[1] != "tasking":
        return await call_next(request)

    requests.append({
        "method": request.method,
        "path": request.scope["raw_path"].decode("latin-1"),
        "query": request.scope["query_string"].decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers.raw],
        "body": (await request.body()).decode("latin-1"),
    })
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not is_accepted(token):
        return JSONResponse({"detail": "Not authenticated"}, 401, {"WWW-Authenticate": "Bearer"})
    return await call_next(request)


def is_accepted(token):
    if not tokens and not all(client):
        return token != ""
    return token in tokens or (token in issued and is_for_us(token))


# ---------------------------------------------------------------------------------------------- the token endpoint

@app.post("/oauth/token")
async def exchange(request: Request):
    now = time.time()
    try:
        asked = await request.json()
    except ValueError:
        asked = None
    answer = answer_to(asked, now)
    told = asked if isinstance(asked, dict) else {}
    exchanges.append({"time": now, "status": answer.status_code,
                      **{name: told.get(name) for name in ("client_id", "audience", "grant_type")}})
    return answer


def answer_to(asked, now):
    if not isinstance(asked, dict):
        return refusal(400, "invalid_request", "The body is not a JSON object")
    if asked.get("grant_type") != "client_credentials":
        return refusal(403, "unsupported_grant_type", f"Unsupported grant type: {asked.get('grant_type')}")
    if not all(client) or (asked.get("client_id"), asked.get("client_secret")) != client:
        return refusal(401, "access_denied", "Unauthorized")
    if asked.get("audience") not in {LIVE, SANDBOX, audience}:
        return refusal(403, "access_denied", f"Service not enabled within domain: {asked.get('audience')}")

    recent = [one["time"] for one in exchanges if one["status"] == 200 and one["time"] > now - WINDOW]
    if len(recent) >= issuing.budget:
        return refusal(400, "invalid_request", over_budget(min(recent, default=now) + WINDOW))

    token = issue(asked, now, issuing.budget - len(recent) - 1)
    issued.add(token)
    return JSONResponse({"access_token": token, "expires_in": issuing.lifetime, "token_type": "Bearer"})


def refusal(status, error, description):
    return JSONResponse({"error": error, "error_description": description}, status)


# Canopy's own: its identity provider can't answer 429.
def over_budget(refresh):
    description = {"code": 429, "message": "rate_limit", "rate_limit": issuing.budget,
                   "rate_limit_refresh": datetime.fromtimestamp(refresh, timezone.utc).isoformat()}
    return json.dumps(description) if issuing.encoded else description


def issue(asked, now, left):
    return sign({
        "iss": ISSUER, "sub": f"{asked['client_id']}@clients", "aud": asked["audience"], "iat": int(now),
        "exp": int(now) + issuing.lifetime, "gty": "client-credentials", "azp": asked["client_id"],
        "jti": secrets.token_urlsafe(8),
        "https://umbra.space/rate_limit": issuing.budget, "https://umbra.space/rate_limit_remaining": left,
    })


def sign(claims):
    signed = b".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + base64url(hmac.digest(key, signed, hashlib.sha256))).decode()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def is_for_us(token):
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims["aud"] == audience and claims["exp"] > time.time()


# ----------------------------------------------------------------------------------------------------- doors for tests

@app.get("/_sandbox/requests")
def list_requests():
    return requests


@app.delete("/_sandbox/requests", status_code=204, response_class=Response)
def forget_requests():
    requests.clear()


@app.get("/_sandbox/tasks")
def list_tasks():
    return tasks


@app.post("/_sandbox/tasks")
def set_task(task: Task):
    tasks[task.id] = task.status
    return task


@app.get("/_sandbox/exchanges")
def list_exchanges():
    return exchanges


@app.delete("/_sandbox/exchanges", status_code=204, response_class=Response)
def forget_exchanges():
    exchanges.clear()


@app.delete("/_sandbox/tokens", status_code=204, response_class=Response)
def revoke_tokens():
    issued.clear()


@app.patch("/_sandbox/issuing")
def change_issuing(change: IssuingChange):
    for name, value in change.dict(exclude_none=True).items():
        setattr(issuing, name, value)
    return issuing


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        print("Canopy sandbox listening on", self.config.uds or f"127.0.0.1:{self.config.port}", flush=True)

    def end_with_parent(self):
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(0.5)
        self.should_exit = True


def main():
    parser = argparse.ArgumentParser(description="A stand-in for Umbra's Canopy API, on the loopback interface.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--uds", metavar="PATH", help="listen on this unix socket instead")
    parser.add_argument("--ssl-certfile")
    parser.add_argument("--ssl-keyfile")
    args = parser.parse_args()

    server = Server(uvicorn.Config(app, host="127.0.0.1", port=args.port, uds=args.uds,
                                   ssl_certfile=args.ssl_certfile, ssl_keyfile=args.ssl_keyfile,
                                   log_level="warning", access_log=False))
    threading.Thread(target=server.end_with_parent, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main()
