"""django-oauth-toolkit as a resource server that introspects (RFC 7662)."""

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils.module_loading import import_string
from journey import CLIENT, URL, journey

settings.configure(
    SECRET_KEY="only for this test",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "RESOURCE_SERVER_INTROSPECTION_URL": f"{URL}/v1/introspect",
        "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": CLIENT,
    },
)
django.setup()
# These modules need the settings when they are imported.
protected_resource = import_string("oauth2_provider.decorators.protected_resource")
AccessToken = apps.get_model("oauth2_provider", "AccessToken")


@protected_resource()
def whoami(_: HttpRequest) -> HttpResponse:
    return HttpResponse("yes")


urlpatterns = [path("", whoami)]
call_command("migrate", verbosity=0)


def accept(token: str) -> None:
    AccessToken.objects.all().delete()  # otherwise introspection results are cached until the token expires
    answer = Client().get("/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.status_code


journey(accept, asks=True)
