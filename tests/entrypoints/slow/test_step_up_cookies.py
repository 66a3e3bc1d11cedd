"""The cookie of a step-up on a page counts no longer than the step-up itself."""

from domain.role import Role
from tests.support.service import Service
from tests.support.visitor import STEP_UP, cookie_of, step_up_of, wait_for_the_next_second


def test_step_up_is_over_when_it_expires_and_when_the_role_changes(
    isolated_service: Service,
) -> None:
    service = isolated_service
    service.environ["LATCHKEY_STEP_UP_TTL"] = "2"
    service.start_api()
    email = service.user("owner", role=Role.MODERATOR)
    cookie, client = cookie_of(service.url, email), service.client()

    def age_of(step_up: str) -> int:
        answer = client.get("/v1/forward-auth", headers={"Cookie": f"{cookie}; {STEP_UP}={step_up}"})
        assert answer.status_code == 200, answer.text
        return int(answer.headers["x-auth-time"])

    at = age_of("")
    wait_for_the_next_second(at)
    stepped = step_up_of(service, cookie)
    assert age_of(stepped) > at
    wait_for_the_next_second(age_of(stepped) + 2)
    assert age_of(stepped) == at
    stepped = step_up_of(service, cookie)
    assert age_of(stepped) > at
    user_id = client.get("/v1/forward-auth", headers={"Cookie": cookie}).headers["x-auth-user"]
    assert service.admin().patch(f"/v1/users/{user_id}", json={"role": "member"}).status_code == 200
    assert age_of(stepped) == at
