Feature: Batch jobs
  A large load is submitted as a job and processed in the background. Its owner can see how far
  it is and cancel it, and each of its items is processed once.

  Background:
    Given the collection "handbook"

  @critical @N15 @G1 @G2
  Scenario: A job stores every document that was submitted
    When an editor submits a job that stores 60 documents with batch size 5
    Then the job completes with 60 items succeeded and 0 failed
    And the progress of the job never decreased and always added up
    When a reader lists the documents
    Then the pages show 60 documents, each once, in the order of their ids
    When a reader searches for the text of every stored document
    Then the right document is among the first 1 results of at least 100 % of the searches

  @NFR-jobs @use.with_stores=visible @key.job-stores-each-document-once
  Scenario: A job processes more than 1000 documents per minute, each once
    When an editor submits a job that stores 240 documents
    Then within 14 seconds the answer to an editor who reads the status of the job shows:
      | field                    | value     |
      | status                   | completed |
      | progress.processed items | 240       |
      | progress.failed items    | 0         |
    And every succeeded item of the job is stored exactly once, and no other
    And Qdrant and PostgreSQL hold 240 documents each

  @N15 @key.failed-job-item-reported
  Scenario: An item of a job that cannot be stored is reported and affects no other
    Given the collection "points":
      | option     | value       |
      | dimensions | 4           |
      | distance   | dot product |
    When an editor submits a job that stores these documents with batch size 5:
      | id         | vector             |
      | point-1    | [1, 1, 0.5, 0.25]  |
      | point-2    | [2, 1, 0.5, 0.25]  |
      | point-3    | [3, 1, 0.5, 0.25]  |
      | point-4    | [4, 1, 0.5, 0.25]  |
      | point-5    | [5, 1, 0.5, 0.25]  |
      | point-6    | [6, 1, 0.5, 0.25]  |
      | seven-long | [1, 1, 1, 1, 1]    |
      | point-8    | [8, 1, 0.5, 0.25]  |
      | point-9    | [9, 1, 0.5, 0.25]  |
      | point-10   | [10, 1, 0.5, 0.25] |
      | point-11   | [11, 1, 0.5, 0.25] |
      | point-12   | [12, 1, 0.5, 0.25] |
      | point-13   | [13, 1, 0.5, 0.25] |
      | point-14   | [14, 1, 0.5, 0.25] |
      | point-15   | [15, 1, 0.5, 0.25] |
      | point-16   | [16, 1, 0.5, 0.25] |
      | point-17   | [17, 1, 0.5, 0.25] |
      | point-18   | [18, 1, 0.5, 0.25] |
      | point-19   | [19, 1, 0.5, 0.25] |
      | point-20   | [20, 1, 0.5, 0.25] |
    Then the job completes with 19 items succeeded and 1 failed
    And the progress of the job never decreased and always added up
    When an editor reads the status of the job
    Then the answer shows:
      | field            | value              |
      | number of errors | 1                  |
      | errors.1.index   | 6                  |
      | errors.1.id      | seven-long         |
      | errors.1.code    | dimension-mismatch |
    When a reader lists the documents
    Then the pages show 19 documents, each once, in the order of their ids
    And the document "seven-long" does not exist

  @G3
  Scenario: A job deletes the documents that exist and reports those that do not
    Given 8 documents
    When an editor submits a job that deletes "document-1", "document-2", "document-3", "document-4", "document-5", "document-6" and "never-stored" with batch size 5
    Then the job completes with 6 items succeeded and 1 failed
    When an editor reads the status of the job
    Then the answer shows:
      | field            | value            |
      | number of errors | 1                |
      | errors.1.id      | never-stored     |
      | errors.1.code    | vector-not-found |
    When a reader lists the documents
    Then the pages have "document-7" and "document-8"

  Scenario: A job of which no item can be processed fails
    When an editor submits a job that deletes "never-stored"
    Then the job fails with 0 items succeeded and 1 failed
    And the progress of the job never decreased and always added up

  Scenario: A job that is not valid is refused as a whole
    When an editor submits a job that stores these documents:
      | id   | text                |
      | soup | Soup is served hot. |
      | menu | Lunch is at noon.   |
      | menu | Lunch is at noon.   |
    Then the request is refused with "duplicate-id"
    When an editor submits a job that stores these documents with field operation bulk_insert:
      | id   | text                |
      | soup | Soup is served hot. |
    Then the request is refused with "validation-failed"
    When an editor submits a job that deletes "soup" in "nowhere"
    Then the request is refused with "collection-not-found"
    When a reader lists the documents
    Then the pages show 0 documents, each once, in the order of their ids

  @critical @N15 @use.with_stores=visible @key.cancelled-job-reports-progress
  Scenario: A cancelled job keeps what it has stored and reports how much that is
    When an editor submits a job that stores 120 documents with batch size 5
    And the job has processed some items
    And an editor cancels the job
    Then the request succeeds
    And the progress of the job never decreased and always added up
    And within the job limit the answer to an editor who reads the status of the job shows:
      | field                    | value                          |
      | status                   | cancelled                      |
      | progress.processed items | more than 0                    |
      | progress.processed items | less than progress.total items |
      | progress.failed items    | 0                              |
    And the progress of the job never decreased and always added up
    And every succeeded item of the job is stored exactly once, and no other

  @not.with_mode=deployed
  Scenario: A job that has not started is cancelled at once
    Given an editor submits a job that stores 60 documents with batch size 5
    And the job has processed some items
    When an editor submits a job that stores 2 documents
    And an editor cancels the second job
    Then the answer shows:
      | field                    | value     |
      | status                   | cancelled |
      | progress.processed items | 0         |

  @N15
  Scenario: A completed job cannot be cancelled
    Given an editor submits a job that stores 3 documents
    And the job completes with 3 items succeeded and 0 failed
    When an editor cancels the job
    Then the request is refused with "job-not-cancellable"
    And the job completes with 3 items succeeded and 0 failed

  @not.with_mode=deployed
  Scenario: A job of high priority starts before the jobs that wait
    Given an editor submits a job that stores 60 documents with batch size 5
    And the job has processed some items
    When an editor submits a job that stores 2 documents
    And an editor submits a job that stores 2 documents with priority high
    Then the second job completes with 2 items succeeded and 0 failed
    And the third job completes with 2 items succeeded and 0 failed
    And the third job started before the second job

  @critical @N10 @use.with_stores=visible @key.jobs-visible-to-owner-only
  Scenario: A job is visible to its owner and to administrators, and only its owner cancels it
    Given an editor submits a job that stores 2 documents
    And the job completes with 2 items succeeded and 0 failed
    When another editor lists the jobs
    Then the pages show the 0 jobs of another editor, newest first
    When these requests are made:
      | actor            | request                     |
      | another editor   | reads the status of the job |
      | another editor   | cancels the job             |
      | an administrator | reads the status of the job |
      | an administrator | cancels the job             |
    Then the outcomes are:
      | outcome       |
      | job-not-found |
      | job-not-found |
      | succeeded     |
      | job-not-found |

  @use.with_stores=visible
  Scenario: Jobs are listed newest first, page by page
    Given another editor submits a job that stores 2 documents
    And the first job completes with 2 items succeeded and 0 failed
    And another editor submits a job that stores 2 documents
    And the second job completes with 2 items succeeded and 0 failed
    And another editor submits a job that stores 2 documents
    And the third job completes with 2 items succeeded and 0 failed
    When another editor lists the jobs in pages of 2
    Then the pages show the 3 jobs of another editor, newest first
    And no page has more than 2 jobs

  @N12 @use.with_stores=visible
  Scenario: A job whose collection is deleted ends and stores nothing more
    When an editor submits a job that stores 120 documents with batch size 5
    And the job has processed some items
    And an editor deletes the collection "handbook"
    Then the request succeeds
    And within the job limit the answer to an editor who reads the status of the job shows:
      | field                    | value                |
      | status                   | completed            |
      | progress.processed items | more than 0          |
      | progress.failed items    | more than 0          |
      | errors.*.code            | collection-not-found |
    And the progress of the job never decreased and always added up
    And neither Qdrant nor PostgreSQL holds the collection "handbook"
