@outage @use.with_stores=visible
Feature: Batch jobs survive failures
  An accepted job waits: whatever fails while it is processed, it goes on after the recovery,
  and no item is lost or processed twice.

  Background:
    Given the collection "handbook"

  @critical @N1 @N11 @N15
  Scenario: After a crash of the gateway a job goes on and processes no item twice
    Given an editor submits a job that stores 60 documents with batch size 5
    And the job has processed some items
    When the gateway crashes and restarts
    Then the job completes with 60 items succeeded and 0 failed
    And the progress of the job never decreased and always added up
    And every succeeded item of the job is stored exactly once, and no other

  @N11 @N15 @key.gateway-crash-during-job-writes
  Scenario: After a crash of the gateway between its two writes a job processes no item twice
    Given the connection to Qdrant blackholes all traffic
    And an editor submits a job that stores 20 documents with batch size 5
    And the job has written rows but no points
    When the gateway crashes
    And all faults end
    Then the job completes with 20 items succeeded and 0 failed
    And the progress of the job never decreased and always added up
    And every succeeded item of the job is stored exactly once, and no other

  @N11 @N15 @G6 @key.job-writes-without-response-done-once
  Scenario: A job whose writes got no response is completed and processes no item twice
    Given the connection to Qdrant blackholes all traffic
    And an editor submits a job that stores 10 documents with batch size 5
    And the job has written rows but no points
    # The third try proves that the second one is over.
    And the job has been tried 3 times
    When Qdrant recovers
    Then the job completes with 10 items succeeded and 0 failed
    And the progress of the job never decreased and always added up
    And every succeeded item of the job is stored exactly once, and no other

  @N11
  Scenario: A gateway that shuts down gracefully hands its job back
    Given an editor submits a job that stores 60 documents with batch size 5
    And the job has processed some items
    When the gateway shuts down gracefully
    Then the gateway has exited with code 0
    When the gateway recovers
    Then the job completes with 60 items succeeded and 0 failed
    And every succeeded item of the job is stored exactly once, and no other

  @N6 @key.job-waits-for-dependency
  Scenario Outline: A job waits for <dependency> and is completed afterwards
    Given the connection to <dependency> is cut
    When an editor submits a job that stores 20 documents with batch size 5
    Then the request succeeds
    When the job has been tried 3 times
    And an editor reads the status of the job
    Then the answer shows:
      | field                    | value      |
      | status                   | processing |
      | progress.processed items | 0          |
      | progress.failed items    | 0          |
    When <dependency> recovers
    Then the job completes with 20 items succeeded and 0 failed
    And every succeeded item of the job is stored exactly once, and no other

    Examples:
      | dependency            |
      | the embedding service |
      | Qdrant                |

  Scenario: A job does not need Redis
    Given the connection to Redis is cut
    When an editor submits a job that stores 20 documents with batch size 5
    Then the job completes with 20 items succeeded and 0 failed
    When Redis recovers
    Then within the recovery limit every service is used again

  @G6
  Scenario: Without PostgreSQL a job is refused
    Given the connection to PostgreSQL is cut
    When an editor submits a job that stores 5 documents
    Then the request is refused with "dependency-unavailable" or "dependency-timeout"
    And the answer arrives within the PostgreSQL limit
    When PostgreSQL recovers
    Then within the recovery limit these requests succeed:
      | actor     | request                             |
      | an editor | submits a job that stores 7 documents |
    And the job completes with 7 items succeeded and 0 failed
    And every succeeded item of the job is stored exactly once, and no other
    And Qdrant and PostgreSQL hold 7 documents each

  @N1 @N11 @N15
  Scenario: A crash of PostgreSQL delays a job and loses no item
    Given an editor submits a job that stores 60 documents with batch size 5
    And the job has processed some items
    When PostgreSQL crashes
    And an editor stores the document "menu" with the text "Lunch is at noon."
    Then the request is refused with "dependency-unavailable" or "dependency-timeout"
    And the answer arrives within the PostgreSQL limit
    When PostgreSQL recovers
    Then the job completes with 60 items succeeded and 0 failed
    And the progress of the job never decreased and always added up
    And every succeeded item of the job is stored exactly once, and no other

  @N15 @key.fatal-job-item-fails-alone
  Scenario: A text that crashes the embedding service fails alone
    Why it matters: a job that retries it for ever never ends, and crashes the service for everybody else.

    Given the embedding service crashes on texts that contain "poison"
    When an editor submits a job that stores these documents with batch size 5:
      | id      | text                                      |
      | note-1  | The archive is inspected every spring.    |
      | note-2  | The boiler was moved to the second floor. |
      | note-3  | The canteen needs a signed form.          |
      | note-4  | Rat poison is kept in the cellar.         |
      | note-5  | The delivery is closed on holidays.       |
      | note-6  | The elevator has been repaired twice.     |
      | note-7  | The forecast costs less than last year.   |
      | note-8  | The garage opens at seven.                |
      | note-9  | The hall is rented out on Sundays.        |
      | note-10 | The invoices are sent in June.            |
      | note-11 | The jury meets in the small room.         |
      | note-12 | The keys hang beside the door.            |
    And an editor submits a job that stores 5 documents with batch size 5
    Then the second job completes with 5 items succeeded and 0 failed
    And the first job completes with 11 items succeeded and 1 failed
    And the second job ended before the first job
    And the embedding service received:
      | kind                    | number     |
      | requests hit by a fault | at most 10 |
    When an editor reads the status of the first job
    Then the answer shows:
      | field            | value                  |
      | number of errors | 1                      |
      | errors.1.id      | note-4                 |
      | errors.1.code    | dependency-unavailable |
    When the embedding service recovers
    Then every succeeded item of the first job is stored exactly once, and no other

  @N1 @N15 @key.job-waits-through-long-outage
  Scenario: A job waits for as long as an outage lasts
    Given the connection to the embedding service is cut
    When an editor submits a job that stores 1 document
    And the job has been tried 7 times
    And an editor reads the status of the job
    Then the answer shows:
      | field                    | value      |
      | status                   | processing |
      | progress.processed items | 0          |
      | progress.failed items    | 0          |
    When the embedding service recovers
    Then the job completes with 1 item succeeded and 0 failed
