"""Steps about batch jobs: how far they are, how they end, and what they have stored."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, equal_to, has_length, less_than

from support.matchers.complaints import nothing_wrong
from support.vocabulary import jobs, results


@given("{job} {job_stage}")
@when("{job} {job_stage}")
def comes_so_far(context, name, stage):
    """Waits for it; the job must not have ended before."""
    jobs.await_stage(context.world, name, stage)


@given("{job} {job_end} with {int} item(s) succeeded and {int} failed")
@then("{job} {job_end} with {int} item(s) succeeded and {int} failed")
def ends(context, name, end, succeeded, failed):
    """Waits for its end; it is in the same state when it is looked at once more."""
    seen = jobs.ended(context.world, name)
    wanted = [jobs.ENDS[end], succeeded, failed]
    assert_that([seen.state, seen.done, seen.failed], equal_to(wanted), f"{name}: {seen}")


@then("the progress of {job} never decreased and always added up")
def progress_adds_up(context, name):
    """Every look at it so far: counters, sums, percentage; what has ended does not change."""
    assert_that(jobs.against_the_rules(context.world, name), nothing_wrong())


@then("every succeeded item of {job} is stored exactly once, and no other")
def stored_once(context, name):
    """In both stores, in version 1, marked as written by the job; a cancelled job did its first items."""
    assert_that(jobs.stored_otherwise(context.world, name), nothing_wrong())


@then("{job} {job_moment} before {job}")
def in_order(context, name, moment, other):
    """By the times that the platform tells."""
    times = [jobs.moment(context.world, each, moment) for each in (name, other)]
    assert_that(times[0], less_than(times[1]), f"when {name} {moment}, against {other}")


@then("the pages show the {int} job(s) of {actor}, newest first")
def own_jobs(context, count, actor):
    """Each exactly once, and no others: of a user who has submitted jobs in this scenario only."""
    own = [job.id for job in context.world.jobs if job.actor == actor]
    assert_that(own, has_length(count), f"jobs that {actor} submitted")
    assert_that(results.paged_ids(context.world), equal_to(own[::-1]), "the jobs of all pages")
