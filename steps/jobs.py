"""Steps about batch jobs."""

from __future__ import annotations

from behave import given, then, when
from hamcrest import assert_that, empty, equal_to, greater_than, less_than, less_than_or_equal_to

from support.matchers.answers import refused_as, succeeded
from support.matchers.attempts import admits_outage
from support.matchers.every import every_item
from support.vocabulary import documents, jobs, outages


@given("a job of {int} documents of which some are done")
def job_in_the_middle(context, count):
    """Taken up, and not yet at its end."""
    jobs.hand_over(context.world, count)
    context.world.evidence["first job"] = jobs.accepted(context.world)
    jobs.some_done(context.world)


@given("a job that waits for its turn")
def waiting_job(context):
    """Handed over while another one is being worked off."""
    jobs.hand_over(context.world, 2)
    context.world.evidence["waiting job"] = jobs.accepted(context.world)


@given("a finished job of {int} documents")
def finished_job(context, count):
    """Everything in it is done."""
    jobs.hand_over(context.world, count)
    jobs.accepted(context.world)
    assert_that(jobs.ended(context.world).done, equal_to(count))


@given("{int} finished jobs")
def finished_jobs(context, count):
    """Handed over one after the other."""
    context.world.evidence["finished jobs"] = jobs.have_finished(context.world, count)


@when("an editor hands over {int} document(s) as a job")
def hand_over(context, count):
    """By their texts."""
    jobs.hand_over(context.world, count)


@when("an editor hands over {int} vectors as a job, of which number {int} is too long")
def hand_over_vectors(context, count, flawed):
    """For a collection of four numbers; that one has five."""
    jobs.hand_over_vectors(context.world, count, flawed)


@when("an editor hands over the deletion of the first {int} and of {string}")
def hand_over_deletion(context, count, title):
    """Documents that are there, and one that may not be."""
    jobs.hand_over_deletion(context.world, [*context.world.evidence["titles"][:count], title])


@when("an editor hands over the deletion of {string}")
def hand_over_one_deletion(context, title):
    """One document, there or not."""
    jobs.hand_over_deletion(context.world, [title])


@when("an editor hands over the deletion of {int} documents")
def hand_over_many_deletions(context, count):
    """None of which is there."""
    jobs.hand_over_deletion(context.world, [f"document {number}" for number in range(count)])


@when("an editor hands over a job with {string}")
def hand_over_flawed(context, flaw):
    """Something that can never be carried out."""
    jobs.hand_over_flawed(context.world, flaw)


@given("a text that kills the embedding service")
def deadly_text(context):
    """All others are embedded as ever."""
    jobs.be_poisoned(context.world)


@when("an editor hands over {int} documents as a job, of which number {int} has that text")
def hand_over_poisoned(context, count, poisoned):
    """In the midst of harmless ones."""
    jobs.hand_over_poisoned(context.world, count, poisoned)


@when("an editor hands over an urgent job")
def hand_over_urgent(context):
    """With the highest priority."""
    jobs.hand_over(context.world, 2, priority="high")


@when("an editor cancels the job")
def cancel(context):
    """In the state in which it is."""
    context.world.answer = jobs.cancel(context.world)


@when("another editor looks for the jobs and tries to cancel that one")
def meddle(context):
    """With a key of his own, and the job's number."""
    context.world.answers = jobs.meddle(context.world)


@when("an editor drops the collection in the middle of the job")
def drop_collection(context):
    """The job has nowhere to store any more."""
    jobs.drop_collection(context.world)


@when("an editor lists the jobs in pages of {int}")
def list_jobs(context, size):
    """As far as the scenario's own jobs reach."""
    own = context.world.evidence["finished jobs"]
    context.world.evidence["listed jobs"] = jobs.jobs_listed(context.world, size, own)


@when("the gateway is killed while the vector store holds back a job of {int} documents")
def kill_within_job(context, count):
    """Rows are written, points are not: the crash point between the two writes."""
    jobs.hold_back(context.world, count)
    outages.strike(context.world, "gateway", "crashed")


@when("the vector store hangs until a job of {int} documents has been tried again")
def hangs_within_job(context, count):
    """Nobody knows what became of the first try."""
    jobs.hold_back(context.world, count)
    jobs.tried_again(context.world)


@when("the gateway is told to stop")
def stop_gateway(context):
    """An orderly stop."""
    outages.strike(context.world, "gateway", "stopped")


@then("the job is {word} with {int} document(s) done and {int} failed")
def job_ended(context, state, done, failed):
    """Its final state, waited for."""
    jobs.accepted(context.world)
    seen = jobs.ended(context.world)
    assert_that([seen.state, seen.done, seen.failed], equal_to([state, done, failed]), str(seen))


@then("its progress never went back and always added up")
def progress_adds_up(context):
    """Every look at it, from its handing over to after its end."""
    assert_that(jobs.against_the_rules(context.world), empty())


@then("every document of the job is listed and found by its text")
def all_stored(context):
    """The collection shows exactly them."""
    assert_that(jobs.stored(context.world), equal_to(jobs.titles(context.world)))
    assert_that(jobs.not_found(context.world), empty())


@then("the job names {string} alone, as failed because of {string}")
def names_failure(context, title, code):
    """Its place, its id and the reason."""
    assert_that(jobs.failures(context.world), equal_to([(title, code)]))


@then("another job of {int} documents overtakes it")
def overtaken(context, count):
    """Handed over later, done earlier."""
    assert_that(jobs.overtake(context.world, count), equal_to(True), "done before the first job")


@then("the embedding service was killed at most {int} times")
def killed_at_most(context, times):
    """Nobody insists for ever."""
    assert_that(jobs.deadly_calls(context.world), less_than_or_equal_to(times), "times killed")


@then("the job still waits after {int} tries")
def still_waits(context, tries):
    """An outage is nobody's fault, however long it is."""
    seen = jobs.waits_through(context.world, tries)
    assert_that([seen.state, seen.done, seen.failed], equal_to(["processing", 0, 0]), str(seen))


@then("all the others are stored")
def others_stored(context):
    """The failed one has spoilt nothing."""
    failed = [title for title, _code in jobs.failures(context.world)]
    expected = [title for title in jobs.titles(context.world) if title not in failed]
    assert_that(jobs.stored(context.world), equal_to(expected))


@then("every other document of the job is stored")
def others_of_job_stored(context):
    """Whatever else the collection holds."""
    assert_that(jobs.lost(context.world), empty())


@then("{int} documents are left")
def documents_left(context, count):
    """In the collection."""
    assert_that(len(documents.titles_listed(context.world, 100)), equal_to(count))


@then("the job is cancelled before its end")
def cancelled_in_the_middle(context):
    """Accepted, carried out, and early enough to matter."""
    assert_that(context.world.last, succeeded())
    seen = jobs.ended(context.world)
    assert_that(seen.state, equal_to("cancelled"), str(seen))
    assert_that(seen.done, less_than(seen.total), str(seen))


@then("exactly as many documents are stored as the job says are done")
def done_are_stored(context):
    """And they are the first ones: a job is worked off in its order."""
    done = jobs.look(context.world).done
    assert_that(done, greater_than(0))
    assert_that(jobs.stored(context.world), equal_to(jobs.titles(context.world)[:done]))


@then("it is cancelled at once and nothing of it was done")
def cancelled_at_once(context):
    """The answer itself says so; there is nothing to wait for."""
    assert_that(context.world.last, succeeded())
    seen = jobs.Progress.of(context.world.last)
    assert_that([seen.state, seen.done], equal_to(["cancelled", 0]), str(seen))


@then("the urgent job was taken up before the one that waited")
def urgent_first(context):
    """Whatever the order in which they came."""
    waiting, urgent = context.world.evidence["waiting job"], jobs.accepted(context.world)
    jobs.ended_all(context.world, waiting, urgent)
    moments = [jobs.started_at(context.world, job) for job in (urgent, waiting)]
    assert_that(moments[0], less_than(moments[1]))


@then("the other editor is shown no job and told that there is no such job")
def nothing_shown(context):
    """Neither in the list nor by its number."""
    assert_that(context.world.evidence["seen by another"], empty())
    assert_that(context.world.answers, every_item(refused_as("job-not-found")))


@then("an administrator may see how far it is, and not cancel it")
def administrator_sees(context):
    """Supervision is not ownership."""
    key, job = context.world.citadel.keys["administrator"], context.world.evidence["job"]
    assert_that(jobs.status_of(context.world, job, key), succeeded())
    assert_that(jobs.cancel(context.world, key), refused_as("job-not-found"))


@then("the {int} jobs are listed newest first, each exactly once")
def listed_newest_first(context, count):
    """Among whatever other jobs the editor has."""
    own, listed = context.world.evidence["finished jobs"], context.world.evidence["listed jobs"]
    assert_that([job for job in listed if job in own], equal_to(own[::-1]), f"{count} jobs")


@then("the job ends and names what it could not do as {string}")
def ends_with(context, code):
    """What was not done yet failed for this reason."""
    seen = jobs.ended(context.world)
    reasons = {reason for _title, reason in jobs.failures(context.world)}
    assert_that([seen.done + seen.failed, reasons], equal_to([seen.total, {code}]), str(seen))


@then("neither store has anything left of the collection")
def nothing_left(context):
    """The job did not bring it back."""
    assert_that(jobs.left_in_stores(context.world), equal_to({"PostgreSQL": [], "Qdrant": []}))


@then("the job is accepted")
def accepted(context):
    """It will be worked off."""
    jobs.accepted(context.world)


@then("the job is accepted and waits")
def accepted_and_waits(context):
    """Nothing of it is done, nothing of it fails."""
    jobs.accepted(context.world)
    jobs.waits(context.world)


@then("the job is refused as unavailable within the promised time")
def job_refused(context):
    """Not kept and not promised."""
    attempt = outages.Attempt("handing over a job", context.world.last)
    assert_that(attempt, admits_outage(outages.UNAVAILABLE, outages.due_s(context.world)))


@then("a job of {int} documents is soon accepted and done")
def job_soon_done(context, count):
    """And nothing but its documents is stored."""
    jobs.hand_over_when_possible(context.world, count)
    assert_that(jobs.ended(context.world).done, equal_to(count))
    assert_that(jobs.stored(context.world), equal_to(jobs.titles(context.world)))


@then("every document of the job was stored exactly once")
def stored_once(context):
    """The platform's own count of writes: each document is in its first version, in both stores."""
    assert_that(jobs.not_done_once(context.world), empty())
    assert_that(outages.in_one_store_only(context.world), empty())


@then("the job was worked off at more than {int} documents a minute")
def fast_enough(context, rate):
    """From its handing over to its end."""
    assert_that(jobs.items_a_minute(context.world), greater_than(float(rate)))
