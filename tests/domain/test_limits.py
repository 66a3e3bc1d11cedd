"""What the numbers have to keep to, whatever they are."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from domain.limits import RATES, Limit
from domain.mail import Purpose
from domain.refusals import Code, rate_limited


def test_every_limit_has_its_rates_and_nobody_changes_them() -> None:
    assert set(RATES) == set(Limit)
    assert all(rate.times > 0 and rate.per > timedelta(0) for rates in RATES.values() for rate in rates)
    frozen: Any = RATES
    with pytest.raises(TypeError):
        frozen[Limit.LOGIN] = ()


def test_of_two_rates_neither_is_idle() -> None:
    for rates in RATES.values():
        for shorter, longer in pairwise(rates):
            assert shorter.per < longer.per
            assert shorter.times < longer.times


def test_an_account_is_never_tried_more_often_than_the_standard_allows() -> None:
    names = 2
    assert names * sum(rate.times for rate in RATES[Limit.LOGIN_ACCOUNT]) <= 100


def test_whoever_is_refused_a_link_has_one_that_works_for_ten_minutes_more() -> None:
    [rate] = RATES[Limit.MAIL_RECIPIENT]
    for purpose in Purpose:
        assert rate.per + timedelta(minutes=10) <= purpose.lifetime


def test_waiting_as_long_as_is_said_is_enough_and_is_never_nothing() -> None:
    for wait, seconds in ((0.0, 1), (0.001, 1), (1.0, 1), (1.000001, 2), (59.5, 60)):
        refusal = rate_limited(timedelta(seconds=wait), reason=Limit.MAIL)
        assert (refusal.code, refusal.retry_after, refusal.reason, refusal.field) == (
            Code.RATE_LIMITED,
            seconds,
            "mail",
            None,
        )
