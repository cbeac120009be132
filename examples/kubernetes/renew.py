#!/usr/bin/env python3
"""Renews the tokens of Canopy environments in a Kubernetes Secret.

    renew.py live sandbox

A token that has more than half of its life left is left alone.  Otherwise it
is exchanged (OAuth 2.0 client credentials), once: an exchange is one of about
50 a day for the whole organization.  Hence the Secret is written first, which
shows that it can be, and keeps a second run from doing the same; and the token
is written again and again until it is there, for two minutes at most.

In the Secret, for "live": live.token, and live.renew, the time in seconds since
the Epoch before which there is nothing to do.

Exits with 1 if one of them could not be renewed.  Prints no secret.
"""

import base64
import contextlib
import http.client
import json
import os
import ssl
import sys
import time
import urllib.parse

AUDIENCES = {
    'live': 'https://api.canopy.umbra.space',
    'sandbox': 'https://api.canopy.prod.umbra-sandbox.space',
}
TOKEN_URL = os.environ.get('CANOPY_TOKEN_URL', 'https://auth.canopy.umbra.space/oauth/token')
CLIENT = os.environ.get('CANOPY_CLIENT', '/run/secrets/canopy')
ACCOUNT = os.environ.get('KUBERNETES_ACCOUNT', '/var/run/secrets/kubernetes.io/serviceaccount')
TIMEOUT = 30
LIMIT = 65536
CLAIM = 300     # seconds for which a run keeps others from an exchange
PATIENCE = 120  # seconds in which a token is written again
HOUR = 3600


class Failure(Exception):
    pass


def read(directory, name):
    with open(os.path.join(directory, name), encoding='ascii') as file:
        return file.read().strip()


def ask(method, host, port, target, headers, body=None, ca=None):
    """One request over verified TLS; no redirect is followed."""
    context = ssl.create_default_context(cafile=ca)
    # Python 3.13 refuses what RFC 5280 does not like in a CA's certificate,
    # which those of many clusters have; chain and name are verified as ever.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    try:
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read(LIMIT)
    except (OSError, http.client.HTTPException) as e:
        raise Failure(f'{host}: {type(e).__name__}') from None
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    return response.status, answer if isinstance(answer, dict) else {}


class Secret:
    def __init__(self, name):
        namespace = read(ACCOUNT, 'namespace')
        self.target = f'/api/v1/namespaces/{namespace}/secrets/{name}'

    def request(self, method, body=None):
        status, answer = ask(
            method, os.environ['KUBERNETES_SERVICE_HOST'], os.environ['KUBERNETES_SERVICE_PORT'], self.target,
            # the token of the account is renewed, too
            {'Authorization': 'Bearer ' + read(ACCOUNT, 'token'), 'Content-Type': 'application/merge-patch+json'},
            body, os.path.join(ACCOUNT, 'ca.crt'))
        if status != 200:
            raise Failure(f'Kubernetes answered {method} of the Secret with {status}')
        return answer

    def get(self):
        """What is in it, and its version."""
        answer = self.request('GET')
        if answer.get('kind') != 'Secret':
            raise Failure('Kubernetes sent no Secret')
        data = {key: base64.b64decode(value).decode('ascii', 'replace') for key, value in (answer.get('data') or {}).items()}
        return data, answer['metadata']['resourceVersion']

    def patch(self, data, version=None):
        """With a version: only if it still is that one (else 409)."""
        body = {'data': {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}
        if version is not None:
            body['metadata'] = {'resourceVersion': version}
        self.request('PATCH', body)


def is_number(value):
    return isinstance(value, int) and not isinstance(value, bool)


def exchange(environment):
    """The token and how many seconds it lives."""
    url = urllib.parse.urlsplit(TOKEN_URL)
    if url.scheme != 'https':
        raise Failure('the token URL is not https')

    status, answer = ask('POST', url.hostname, url.port or 443, url.path, {'Content-Type': 'application/json'}, {
        'client_id': read(CLIENT, 'client_id'), 'client_secret': read(CLIENT, 'client_secret'),
        'audience': AUDIENCES[environment], 'grant_type': 'client_credentials'})
    if status != 200:
        raise Failure(f'the token endpoint answered {status}')

    token, lifetime = answer.get('access_token'), answer.get('expires_in')
    if not isinstance(token, str) or not token or not all('!' <= c <= '~' for c in token):
        raise Failure('the token endpoint sent no token')
    if str(answer.get('token_type')).lower() != 'bearer':
        raise Failure('the token endpoint sent a token of another type')
    if not is_number(lifetime):
        # as in the gateway: a token that was paid for is not thrown away
        lifetime = HOUR
    if lifetime <= 0:
        raise Failure('the token endpoint sent an expired token')
    return token, lifetime


def renew(secret, environment):
    have, version = secret.get()
    due = have.get(environment + '.renew', '')
    now = int(time.time())
    if due.isdigit() and int(due) > now and (have.get(environment + '.token') or int(due) <= now + CLAIM):
        print(f'{environment}: nothing to do for {(int(due) - now) // 60} minutes')
        return

    secret.patch({environment + '.renew': str(now + CLAIM)}, version)
    try:
        token, lifetime = exchange(environment)
    except Exception:
        with contextlib.suppress(Failure, OSError):
            secret.patch({environment + '.renew': '0'})
        raise

    deadline = time.monotonic() + PATIENCE
    pause = 1
    while True:
        try:
            secret.patch({environment + '.token': token, environment + '.renew': str(now + lifetime // 2)})
            break
        except (Failure, OSError):
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 15)
    print(f'{environment}: renewed, good for {lifetime // 60} minutes')


def main():
    environments = sys.argv[1:]
    if not environments or not set(environments) <= set(AUDIENCES):
        sys.exit('usage: renew.py live|sandbox ...')

    failed = False
    for environment in environments:
        try:
            renew(Secret(os.environ.get('CANOPY_SECRET', 'canopy-tokens')), environment)
        except (Failure, OSError, KeyError, UnicodeError) as e:
            # a missing file or variable by its name, no secret is in either
            print(f'{environment}: {type(e).__name__}: {e}' if not isinstance(e, Failure) else f'{environment}: {e}',
                  file=sys.stderr)
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
