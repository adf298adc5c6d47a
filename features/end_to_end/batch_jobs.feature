Feature: Batch jobs
  Large loads are handed over and worked off in the background. Whoever has handed
  one over can see how far it is and stop it, and each document is done once.

  Background:
    Given the collection "handbook"

  @critical @N15 @G1 @G2
  Scenario: A job stores every document that was handed over
    When an editor hands over 60 documents as a job
    Then the job is completed with 60 documents done and 0 failed
    And its progress never went back and always added up
    And every document of the job is listed and found by its text

  @NFR-jobs @use.with_stores=visible @key.job-stores-each-document-once
  Scenario: A job is worked off quickly, and each of its documents once
    When an editor hands over 240 documents as a job
    Then the job is completed with 240 documents done and 0 failed
    And the job was worked off at more than 1000 documents a minute
    And every document of the job was stored exactly once

  @N15 @key.failed-job-item-reported
  Scenario: A document that cannot be stored is named and spoils nothing
    Given a collection "pictures" for vectors of 4 numbers compared by dot product
    When an editor hands over 20 vectors as a job, of which number 7 is too long
    Then the job is completed with 19 documents done and 1 failed
    And its progress never went back and always added up
    And the job names "vector 7" alone, as failed because of "dimension-mismatch"
    And all the others are stored

  @G3
  Scenario: A job deletes what is there and names what is not
    Given 8 stored documents
    When an editor hands over the deletion of the first 6 and of "never stored"
    Then the job is completed with 6 documents done and 1 failed
    And the job names "never stored" alone, as failed because of "vector-not-found"
    And 2 documents are left

  Scenario: A job of which nothing can be done has failed
    When an editor hands over the deletion of "never stored"
    Then the job is failed with 0 documents done and 1 failed
    And its progress never went back and always added up

  Scenario Outline: A job that can never be carried out is refused as a whole: <flaw>
    When an editor hands over a job with "<flaw>"
    Then the request is refused as "<reason>"
    And nothing of the batch was stored

    Examples:
      | flaw                               | reason               |
      | a document twice                   | duplicate-id         |
      | texts where vectors belong         | validation-failed    |
      | a collection that is not there     | collection-not-found |
      | no document                        | validation-failed    |
      | more documents than a job may have | validation-failed    |

  Scenario: A job may have ten thousand documents
    When an editor hands over the deletion of 10000 documents
    Then the job is accepted

  @critical @N15 @key.cancelled-job-reports-progress
  Scenario: A cancelled job keeps what is done and says how much that is
    Given a job of 120 documents of which some are done
    When an editor cancels the job
    Then the job is cancelled before its end
    And its progress never went back and always added up
    And exactly as many documents are stored as the job says are done

  @not.with_mode=deployed
  Scenario: A job that has not begun is cancelled at once
    Given a job of 60 documents of which some are done
    And a job that waits for its turn
    When an editor cancels the job
    Then it is cancelled at once and nothing of it was done

  @N15
  Scenario: A finished job cannot be cancelled
    Given a finished job of 3 documents
    When an editor cancels the job
    Then the request is refused as "job-not-cancellable"
    And the job is completed with 3 documents done and 0 failed

  @not.with_mode=deployed
  Scenario: An urgent job overtakes the others
    Given a job of 60 documents of which some are done
    And a job that waits for its turn
    When an editor hands over an urgent job
    Then the urgent job was taken up before the one that waited

  @critical @N10 @use.with_stores=visible @key.jobs-visible-to-owner-only
  Scenario: Nobody sees or stops the jobs of others
    Given a finished job of 2 documents
    When another editor looks for the jobs and tries to cancel that one
    Then the other editor is shown no job and told that there is no such job
    But an administrator may see how far it is, and not cancel it

  Scenario: Jobs are listed newest first, page by page
    Given 3 finished jobs
    When an editor lists the jobs in pages of 2
    Then the 3 jobs are listed newest first, each exactly once

  @N12
  Scenario: A job whose collection is dropped ends and stores nothing any more
    Given a job of 120 documents of which some are done
    When an editor drops the collection in the middle of the job
    Then the job ends and names what it could not do as "collection-not-found"
    And its progress never went back and always added up
    And neither store has anything left of the collection
