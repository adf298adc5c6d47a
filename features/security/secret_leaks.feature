Feature: Keys and passwords are shown nowhere
  Keys and passwords of callers, stores and providers appear in nothing that the platform answers,
  logs, counts, caches or stores, whether a request succeeds, is refused or fails.

  Background:
    Given the collection "handbook"
    And the documents:
      | id     | text                        |
      | letter | A perfectly normal letter.  |

  @N8 @smoke @key.no-secret-in-outputs
  Scenario: No answer, log, metric, cache entry, row or point contains a key or a password
    When these requests are made:
      | actor                        | request                                                  |
      | an administrator             | calls every operation                                    |
      | an administrator             | calls every operation with their key "beside another one" |
      | a caller with an unknown key | calls every operation                                    |
      | an editor                    | reads "letter"                                           |
      | an editor                    | reads "no-such-letter"                                   |
      | an editor                    | searches for "a normal letter"                           |
      | an editor                    | embeds "A normal text."                                  |
      | an editor                    | asks OpenAI to embed 1 new texts                         |
      | an editor                    | asks Google to embed 1 new texts                         |
      | an editor                    | submits a job that stores 2 documents                    |
    Then within the recovery limit the answer to an editor who reads the status of the job shows:
      | field                    | value     |
      | status                   | completed |
      | progress.processed items | 2         |
    And no log, metric, cache entry, row or point contains a key or a password
