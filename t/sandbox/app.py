#!/usr/bin/python3
"""A stand-in for Umbra's Canopy API: the one route that cancels a task, as its OpenAPI document describes it.

    PATCH /tasking/tasks/{id}/cancel    204, or 401, 404, 422

There is one task for each status at start, 00000000-0000-4000-8000-0000000000NN:

    01 RECEIVED    06 REJECTED    11 DELIVERING        16 ANOMALY
    02 REVIEW      07 EXPIRED     12 DELIVERED         17 COMPLETED
    03 ACCEPTED    08 TASKED      13 CANCEL_REQUESTED  18 SUBMITTED
    04 ACTIVE      09 PROCESSING  14 CANCELED          19 TRANSMITTED
    05 SCHEDULED   10 PROCESSED   15 ERROR             20 INCOMPLETE

Tokens are accepted as CANOPY_SANDBOX_TOKENS lists them (comma separated); if it is empty, any token is.

Beside the API there are doors for tests, which need no token:

    GET    /_sandbox/requests    all requests below /tasking, in order
    DELETE /_sandbox/requests    forget them
    GET    /_sandbox/tasks       {id: status}
    POST   /_sandbox/tasks       {"id": ..., "status": ...}: create a task or set its status
"""

import argparse
import os
import threading
import time
from enum import Enum
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


CANCELABLE = {Status.SCHEDULED, Status.SUBMITTED, Status.ACCEPTED, Status.ACTIVE}

tokens = [token for token in os.environ.get("CANOPY_SANDBOX_TOKENS", "").split(",") if token]
tasks = {UUID(f"00000000-0000-4000-8000-{number:012}"): status for number, status in enumerate(Status, start=1)}
requests = []

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
    if scheme.lower() != "bearer" or not token or (tokens and token not in tokens):
        return JSONResponse({"detail": "Not authenticated"}, 401, {"WWW-Authenticate": "Bearer"})
    return await call_next(request)


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
