@outage @use.with_stores=visible
Feature: Batch jobs survive failures
  Submitted work waits: whatever fails while a job is under way, it goes on when
  everything is back, and no document is lost or done twice.

  Background:
    Given the collection "handbook"

  @critical @N1 @N11 @N15
  Scenario: A gateway killed in the middle of a job finishes it and does nothing twice
    Given a job of 60 documents of which some are done
    When the gateway crashes
    And the gateway is back
    Then the job is completed with 60 documents done and 0 failed
    And its progress never went back and always added up
    And every document of the job was stored exactly once

  @N11 @N15 @key.gateway-crash-during-job-writes
  Scenario: A gateway killed between the two writes of a job does nothing twice
    When the gateway is killed while the vector store holds back a job of 20 documents
    And everything is running again
    Then the job is completed with 20 documents done and 0 failed
    And its progress never went back and always added up
    And every document of the job was stored exactly once

  @N11 @N15 @G6 @key.job-writes-without-response-done-once
  Scenario: A job whose writes went unanswered is finished and does nothing twice
    When the vector store hangs until a job of 10 documents has been tried again
    And the vector store is back
    Then the job is completed with 10 documents done and 0 failed
    And its progress never went back and always added up
    And every document of the job was stored exactly once

  @N11
  Scenario: A gateway that is told to stop gives its job back
    Given a job of 60 documents of which some are done
    When the gateway is told to stop
    Then the gateway has ended in good order
    When the gateway is back
    Then the job is completed with 60 documents done and 0 failed
    And every document of the job was stored exactly once

  @N6 @key.job-waits-for-dependency
  Scenario Outline: A job waits for <dependency> and is then done
    Given the link to <dependency> is cut
    When an editor hands over 20 documents as a job
    Then the job is accepted and waits
    When the link to <dependency> is whole again
    Then the job is completed with 20 documents done and 0 failed
    And every document of the job was stored exactly once

    Examples:
      | dependency            |
      | the embedding service |
      | the vector store      |

  Scenario: A job does not need the cache
    Given the link to the cache is cut
    When an editor hands over 20 documents as a job
    Then the job is completed with 20 documents done and 0 failed
    When the link to the cache is whole again
    Then answers come from the cache again within the promised time

  @G6
  Scenario: Without the metadata store no job is promised
    Given the link to the metadata store is cut
    When an editor hands over 5 documents as a job
    Then the job is refused as unavailable within the promised time
    When the link to the metadata store is whole again
    Then a job of 7 documents is soon accepted and done

  @N1 @N11 @N15
  Scenario: A metadata store that crashes in the middle of a job delays it
    Given a job of 60 documents of which some are done
    When the metadata store crashes
    Then storing is refused as unavailable within the promised time
    When the metadata store is back
    Then the job is completed with 60 documents done and 0 failed
    And its progress never went back and always added up
    And every document of the job was stored exactly once

  @N15 @key.fatal-job-item-fails-alone
  Scenario: A text that kills the embedding service fails alone
    Why it matters: a job that tries it for ever is never done, and kills the service for everybody else.

    Given a text that kills the embedding service
    When an editor hands over 12 documents as a job, of which number 4 has that text
    Then another job of 5 documents overtakes it
    And the job is completed with 11 documents done and 1 failed
    And the job names "job 1 document 4" alone, as failed because of "dependency-unavailable"
    And the embedding service was killed at most 10 times
    When the embedding service is back
    Then every other document of the job is stored

  @N1 @N15 @key.job-waits-through-long-outage
  Scenario: A job waits for as long as an outage lasts
    Given the link to the embedding service is cut
    When an editor hands over 1 document as a job
    Then the job still waits after 7 tries
    When the link to the embedding service is whole again
    Then the job is completed with 1 document done and 0 failed
