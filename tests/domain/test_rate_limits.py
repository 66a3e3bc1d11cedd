"""Rules that the rates must keep."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from domain.outbox import LinkPurpose
from domain.rate_limit_buckets import mailbox
from domain.rate_limits import RATES, Limit, Rate
from domain.refusals import ErrorCode, rate_limited


def test_every_limit_has_rates_which_are_immutable() -> None:
    assert set(RATES) == set(Limit)
    assert all(rate.times > 0 and rate.per > timedelta(0) for rates in RATES.values() for rate in rates)
    frozen: Any = RATES
    with pytest.raises(TypeError):
        frozen[Limit.LOGIN] = ()


def test_of_two_rates_each_is_stricter_at_some_time() -> None:
    for rates in RATES.values():
        for shorter, longer in pairwise(rates):
            assert shorter.per < longer.per
            assert shorter.times < longer.times


def test_guesses_per_account_stay_below_100_as_nist_requires() -> None:
    names, limits = 2, (Limit.LOGIN_ACCOUNT, Limit.LOGIN_HOME)
    assert names * sum(rate.times for limit in limits for rate in RATES[limit]) <= 100
    assert all(rate.per >= timedelta(days=1) for limit in limits for rate in RATES[limit])


def test_a_refused_link_request_leaves_a_link_valid_for_ten_more_minutes() -> None:
    for limit in (Limit.MAIL_RECIPIENT, Limit.MAIL_LAST):
        [rate] = RATES[limit]
        for purpose in LinkPurpose:
            assert rate.per + timedelta(minutes=10) <= purpose.lifetime


def test_password_changes_are_limited_to_three_an_hour_and_five_a_day() -> None:
    assert RATES[Limit.PASSWORD_CHANGE] == (Rate(3, timedelta(hours=1)), Rate(5, timedelta(days=1)))


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("ada@example.org", "ada@example.org"),
        ("ada+@example.org", "ada@example.org"),
        ("ada+1@example.org", "ada@example.org"),
        ("ada+1+2@example.org", "ada@example.org"),
        ("a.da@example.org", "a.da@example.org"),
        ("+1@example.org", "+1@example.org"),
        ("ada@a+b.example.org", "ada@a+b.example.org"),
    ],
)
def test_a_mailbox_is_the_address_without_sub_address(address: str, found: str) -> None:
    assert mailbox(address) == found


def test_retry_after_is_sufficient_and_never_zero() -> None:
    for wait, seconds in ((0.0, 1), (0.001, 1), (1.0, 1), (1.000001, 2), (59.5, 60)):
        refusal = rate_limited(timedelta(seconds=wait), reason=Limit.MAIL)
        assert (refusal.code, refusal.retry_after, refusal.reason, refusal.field) == (
            ErrorCode.RATE_LIMITED,
            seconds,
            "mail",
            None,
        )
