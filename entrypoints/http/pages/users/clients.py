"""Clients, for admins: programs that may introspect and revoke tokens."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import PathParameter

from application.clients.add_client import AddClient
from application.clients.list_clients import ListClients
from application.clients.remove_client import RemoveClient
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.html import redirect
from entrypoints.http.pages.users.shown import users_page
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of

ClientIdInPath = Annotated[UUID, PathParameter(description="The client's id.")]

_CHANGING = signed_in(role=Role.ADMIN, budget=Limit.ADMINISTER, fresh=Fresh.ALWAYS)
_REMOVE = "/users/clients/{client_id:uuid}/remove"


@show("/users/clients", policy=signed_in(role=Role.ADMIN, query={"done"}))
async def clients(request: AnyRequest, list_clients: NamedDependency[ListClients]) -> Response[Any]:
    return users_page(request, "users_clients.html", tab="clients", clients=await list_clients())


@show("/users/clients/new", policy=signed_in(role=Role.ADMIN, fresh=Fresh.ALWAYS))
async def ask_for_name(request: AnyRequest) -> Response[Any]:
    return users_page(request, "users_client_new.html", tab="clients", name="")


@submit("/users/clients/new", policy=_CHANGING)
async def add(request: AnyRequest, add_client: NamedDependency[AddClient]) -> Response[Any]:
    """Shows the secret in the answer itself, because it is stored nowhere."""
    name = text_of(await request.form(), "name")
    try:
        client, secret = await add_client(name=name, caller=caller_of(request), client_info=client_info_of(request))
    except Refusal as refusal:
        return users_page(request, "users_client_new.html", tab="clients", refusal=refusal, name=name)
    return users_page(request, "users_client_added.html", tab="clients", client=client, secret=secret)


@show(_REMOVE, policy=signed_in(role=Role.ADMIN, fresh=Fresh.ALWAYS))
async def ask_to_remove(
    client_id: ClientIdInPath, request: AnyRequest, list_clients: NamedDependency[ListClients]
) -> Response[Any]:
    for client in await list_clients():
        if client.id == client_id:
            return users_page(request, "users_client_remove.html", tab="clients", client=client)
    raise _not_found()


@submit(_REMOVE, policy=_CHANGING)
async def remove(
    client_id: ClientIdInPath, request: AnyRequest, remove_client: NamedDependency[RemoveClient]
) -> Response[Any]:
    if not await remove_client(client_id, caller=caller_of(request), client_info=client_info_of(request)):
        raise _not_found()
    return redirect(request, "users/clients?done=client_removed")


def _not_found() -> Refusal:
    return Refusal(ErrorCode.NOT_FOUND, "There is no client with this ID.")


handlers = [clients, ask_for_name, add, ask_to_remove, remove]
