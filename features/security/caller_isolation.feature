Feature: Callers are isolated from each other
  A key grants what its role grants, and nothing else: what belongs to another caller or was cached
  for one is not found by guessing, and no header or field that claims a right gives it.

  Background:
    Given the collection "handbook"

  @N10 @use.with_stores=visible @key.foreign-job-looks-missing
  Scenario Outline: Another caller's job is answered like one that does not exist: <request>
    Given an editor submits a job that stores 2 documents
    When these requests are made:
      | actor          | request                  |
      | another editor | <request> the job        |
      | another editor | <request> an unknown job |
    Then every request is refused with "job-not-found"
    And all answers are the same except for "request id"
    And within the recovery limit the answer to an editor who reads the status of the job shows:
      | field                    | value     |
      | status                   | completed |
      | progress.processed items | 2         |

    Examples:
      | request             |
      | reads the status of |
      | cancels             |

  @N10 @use.with_stores=visible @key.foreign-cursor-useless
  Scenario: The cursor of another caller's list of jobs shows none of them
    Given an editor submits a job that stores 1 document
    And an editor submits a job that stores 1 document
    And an editor submits a job that stores 1 document
    And an editor lists the first 1 job
    When another editor lists the next 10 jobs
    Then the outcomes are:
      | outcome                        | number of jobs |
      | succeeded or validation-failed | absent or 0    |

  @N10 @use.with_stores=visible @key.cache-hit-requires-authorization
  Scenario: A cached search is answered to no caller without a valid key
    Given the documents:
      | id      | text                                                   |
      | canteen | The canteen serves lunch between noon and two o'clock. |
    And a reader searches for "when can I eat"
    When a reader searches for "when can I eat"
    Then the result was served from the cache
    When these requests are made:
      | actor                        | request                       |
      | an anonymous caller          | searches for "when can I eat" |
      | a caller with an unknown key | searches for "when can I eat" |
      | a caller with an expired key | searches for "when can I eat" |
      | a caller with a revoked key  | searches for "when can I eat" |
    Then every request is refused with "unauthenticated"
    And no answer contains "canteen", "serves", "lunch", "between" and "o'clock"

  @critical @key.role-headers-ignored
  Scenario Outline: A header that claims a role does not grant it: <actor> <request>
    When <actor> <request> with each of these options:
      | option                        | value                                           |
      | header X-Role                 | admin                                           |
      | header X-User-Role            | admin                                           |
      | header X-Citadel-Role         | admin                                           |
      | header X-User                 | admin                                           |
      | header X-User-Id              | 00000000-0000-0000-0000-000000000000            |
      | header X-Forwarded-User       | admin                                           |
      | header X-Remote-User          | admin                                           |
      | header X-Authenticated-User   | admin                                           |
      | header X-Admin                | true                                            |
      | header X-Internal             | true                                            |
      | header X-Debug                | true                                            |
      | header X-Forwarded-For        | 127.0.0.1                                       |
      | header X-Real-IP              | 127.0.0.1                                       |
      | header Forwarded              | for=127.0.0.1;by=127.0.0.1;host=localhost       |
      | header X-Original-URL         | /health                                         |
      | header X-Rewrite-URL          | /health                                         |
      | header X-HTTP-Method-Override | GET                                             |
      | header Origin                 | null                                            |
      | header Cookie                 | role=admin; admin=true                          |
      | query role                    | admin                                           |
      | query admin                   | true                                            |
      | query _method                 | GET                                             |
    Then every request is refused with "forbidden"
    When <actor> <request> with:
      | option                        | value                                           |
      | header X-Role                 | admin                                           |
      | header X-User-Role            | admin                                           |
      | header X-Citadel-Role         | admin                                           |
      | header X-User                 | admin                                           |
      | header X-User-Id              | 00000000-0000-0000-0000-000000000000            |
      | header X-Forwarded-User       | admin                                           |
      | header X-Remote-User          | admin                                           |
      | header X-Authenticated-User   | admin                                           |
      | header X-Admin                | true                                            |
      | header X-Internal             | true                                            |
      | header X-Debug                | true                                            |
      | header X-Forwarded-For        | 127.0.0.1                                       |
      | header X-Real-IP              | 127.0.0.1                                       |
      | header Forwarded              | for=127.0.0.1;by=127.0.0.1;host=localhost       |
      | header X-Original-URL         | /health                                         |
      | header X-Rewrite-URL          | /health                                         |
      | header X-HTTP-Method-Override | GET                                             |
      | header Origin                 | null                                            |
      | header Cookie                 | role=admin; admin=true                          |
      | query role                    | admin                                           |
      | query admin                   | true                                            |
      | query _method                 | GET                                             |
    Then the request is refused with "forbidden"

    Examples:
      | actor     | request                                                  |
      | a reader  | stores the document "claimed" with the text "Claimed."   |
      | a reader  | deletes the collection "handbook"                        |
      | an editor | invalidates the cache                                    |
      | an editor | repairs the collection "handbook"                        |

  @key.method-override-ignored
  Scenario: A header or parameter that claims another method changes nothing
    When an editor reads the collection "handbook" with each of these options:
      | option                        | value  |
      | header X-HTTP-Method-Override | DELETE |
      | header X-HTTP-Method          | DELETE |
      | header X-Method-Override      | DELETE |
      | query _method                 | DELETE |
    Then every request succeeds
    When an editor reads the collection "handbook"
    Then the request succeeds

  @key.platform-fields-not-settable
  Scenario: A document's fields that the platform sets cannot be set by a caller
    When an editor stores the document "set" with the text "A text." with each of these options:
      | option                | value                                |
      | field point_id        | 00000000-0000-4000-8000-000000000001 |
      | field version         | 99                                   |
      | field status          | stored                               |
      | field created_by      | admin                                |
      | field created_at      | 2020-01-01T00:00:00Z                 |
      | field content_hash    | e3b0c44298fc1c149afbf4c8996fb924     |
      | field vector_checksum | e3b0c44298fc1c149afbf4c8996fb924     |
      | field citadel         | other                                |
      | field role            | admin                                |
      | field __proto__       | admin                                |
    Then every request is refused with "validation-failed"
    And the document "set" does not exist

  Scenario: A collection's or a job's fields that the platform sets cannot be set by a caller
    When an editor creates the collection "archive" with each of these options:
      | option              | value                                |
      | field collection_id | 00000000-0000-4000-8000-000000000001 |
      | field owner_id      | 00000000-0000-4000-8000-000000000001 |
      | field generation    | 99                                   |
      | field status        | active                               |
    Then every request is refused with "validation-failed"
    When an editor submits a job that deletes "set" with each of these options:
      | option             | value                                |
      | field job_id       | 00000000-0000-4000-8000-000000000001 |
      | field submitted_by | 00000000-0000-4000-8000-000000000001 |
      | field status       | completed                            |
      | field attempts     | 99                                   |
    Then every request is refused with "validation-failed"

  @key.reserved-names-in-metadata-kept
  Scenario: Metadata with the names of the platform's own fields are plain metadata
    Given the documents:
      | id      | text                                           |
      | statute | The statute may be changed by the board alone. |
    When an editor stores the document "note" with the text "A note." with:
      | option               | value                                          |
      | metadata.id          | statute                                        |
      | metadata.point_id    | 00000000-0000-4000-8000-000000000001           |
      | metadata.collection  | handbook                                       |
      | metadata.text        | The statute may be changed by the board alone. |
      | metadata.version     | 99                                             |
      | metadata.citadel     | id                                             |
      | metadata.metadata    | ["id", "text"]                                 |
      | metadata.__proto__   | admin                                          |
      | metadata.constructor | prototype                                      |
      | metadata.vector      | [0, 0, 0]                                      |
      | metadata.deleted     | true                                           |
    Then the request succeeds as "created"
    And every acknowledged document is read with its last text and metadata
    And the document "statute" has:
      | field   | value                                          |
      | version | 1                                              |
      | text    | The statute may be changed by the board alone. |
    When a reader lists the documents
    Then the pages have "note" and "statute"
