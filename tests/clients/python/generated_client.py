"""Uses the package that openapi-python-client generated from the OpenAPI document."""

import os
import sys

from journey import URL

sys.path.insert(0, sys.argv[1])

from latchkey_client import AuthenticatedClient, Client
from latchkey_client.api.account import get_me
from latchkey_client.api.sessions import list_sessions, log_in, log_out, refresh
from latchkey_client.models import LoginBody, Problem, RefreshBody, SessionList, TokenPairResponse, UserResponse

anonymous = Client(base_url=URL)
login = LoginBody(login=os.environ["LOGIN"], password=os.environ["PASSWORD"])
first = log_in.sync(client=anonymous, body=login)
assert isinstance(first, TokenPairResponse), first
second = refresh.sync(client=anonymous, body=RefreshBody(refresh_token=first.refresh_token))
assert isinstance(second, TokenPairResponse), second
client = AuthenticatedClient(base_url=URL, token=second.access_token)
me = get_me.sync(client=client)
assert isinstance(me, UserResponse), me
assert me.verified
sessions = list_sessions.sync(client=client)
assert isinstance(sessions, SessionList), sessions
assert any(session.current for session in sessions.items)
assert log_out.sync_detailed(client=client).status_code == 204
refused = get_me.sync(client=client)
assert isinstance(refused, Problem), refused
assert refused.code == "token_revoked"
print("ok")
