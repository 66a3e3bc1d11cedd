"""django-oauth-toolkit as a resource server that introspects (RFC 7662)."""

import django
from django.conf import settings
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

from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from oauth2_provider.decorators import protected_resource  # noqa: E402
from oauth2_provider.models import AccessToken  # noqa: E402


@protected_resource()  # type: ignore[untyped-decorator]
def whoami(_: HttpRequest) -> HttpResponse:
    return HttpResponse("yes")


urlpatterns = [path("", whoami)]
call_command("migrate", verbosity=0)


def accept(token: str) -> None:
    AccessToken.objects.all().delete()  # what was introspected before would be believed until it expires
    answer = Client().get("/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.status_code


journey(accept, asks=True)
