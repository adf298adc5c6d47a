Feature: Ingesting is exact
  Sources are read again and again, some documents do not fit, some texts are too long. Every document
  ends as its last submission says, counted once, and each caller is told what happened.

  Background:
    Given the collection "handbook"

  @N11 @use.with_stores=visible
  Scenario: Ingesting the same documents again changes nothing
    Given 30 documents
    When an editor stores every document again in one batch
    Then every item succeeds as "unchanged" in version 1
    And Qdrant and PostgreSQL hold 30 documents each

  @N3 @use.with_stores=visible @key.reingest-changes-metadata
  Scenario: A document ingested again with other metadata has those
    Given the documents:
      | id         | text                                   |
      | fire-drill | The fire drill takes place in March.   |
    When an editor stores the document "fire-drill" with the text "The fire drill takes place in March." with:
      | option              | value      |
      | metadata.department | facilities |
    Then the request succeeds as "updated" in version 2
    And Qdrant and PostgreSQL agree on "fire-drill":
      | field               | value                                |
      | version             | 2                                    |
      | text                | The fire drill takes place in March. |
      | metadata.department | facilities                           |
    And Qdrant and PostgreSQL hold 1 document each

  @G6 @use.with_stores=visible @key.bad-document-fails-alone-in-batch
  Scenario: A document that does not fit keeps no other from being stored
    Given the collection "points":
      | option     | value |
      | dimensions | 4     |
    When an editor stores these documents in one batch:
      | id    | vector       |
      | one   | [1, 0, 0, 0] |
      | two   | [0, 1, 0, 0] |
      | three | [0, 0, 1]    |
      | four  | [0, 0, 0, 1] |
      | five  | [1, 1, 0, 0] |
    Then the outcomes are:
      | id    | outcome            |
      | one   | created            |
      | two   | created            |
      | three | dimension-mismatch |
      | four  | created            |
      | five  | created            |
    And Qdrant and PostgreSQL hold 4 documents each

  @G3 @key.batch-delete-reports-missing
  Scenario: A batch of deletions tells which documents were not there
    Given the documents:
      | id        | text                                 |
      | old-rules | These rules are no longer in force.  |
    When an editor deletes "never-stored" and "old-rules" in one batch
    Then the outcomes are:
      | id           | outcome          |
      | never-stored | vector-not-found |
      | old-rules    | deleted          |
    And the document "old-rules" does not exist

  @N12 @key.similar-ids-are-distinct
  Scenario: Ids that differ in case or in the last character are different documents
    When an editor stores these documents in one batch:
      | id    | text                         |
      | Menu  | With a capital letter.       |
      | menu  | With small letters.          |
      | MENU  | With capital letters.        |
      | menu. | With a full stop at the end. |
      | menu- | With a hyphen at the end.    |
      | menu_ | With an underscore.          |
      | menu: | With a colon at the end.     |
      | menu0 | With a digit at the end.     |
    Then every item succeeds as "created" in version 1
    And every acknowledged document is read with its last text and metadata

  Scenario Outline: A document has the id that it was given: <kind>
    When an editor stores the document "<id>" with the text "A document of that id."
    Then the request succeeds as "created"
    And the document "<id>" has:
      | field | value                  |
      | id    | <id>                   |
      | text  | A document of that id. |

    Examples:
      | kind           | id                                                                                                                               |
      | one character  | x                                                                                                                                |
      | a number       | 0815                                                                                                                             |
      | a version      | release-2.0:draft_1                                                                                                              |
      | 128 characters | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb |

  Scenario Outline: An id that the contract does not allow is refused: <kind>
    When an editor stores the document "<id>" with the text "A document of that id."
    Then the request is refused with "validation-failed"
    When a reader lists the documents
    Then the pages show 0 documents, each once, in the order of their ids

    Examples:
      | kind                     | id                                                                                                                                |
      | an emoji                 | 🙂                                                                                                                                |
      | a space                  | price list                                                                                                                        |
      | a slash                  | prices/2026                                                                                                                       |
      | an umlaut                | menü                                                                                                                              |
      | a full stop at the start | .menu                                                                                                                             |
      | 129 characters           | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbc |

  @key.collection-name-is-unique
  Scenario: A collection that exists is not created again
    Given the documents:
      | id    | text                      |
      | rules | These rules are in force. |
    When an editor creates the collection "handbook"
    Then the request is refused with "collection-exists"
    And the document "rules" has:
      | field | value                     |
      | text  | These rules are in force. |

  @N13 @key.long-document-truncated-for-embedding-only
  Scenario: A document longer than the model reads is flagged truncated and stored whole
    When an editor stores the document "long" with a text of 600 words
    Then the answer shows:
      | field     | value   |
      | outcome   | created |
      | truncated | true    |
    And every acknowledged document is read with its last text and metadata

  @N3 @use.with_stores=visible @use.with_providers=visible
  Scenario: An updated document has the embedding of its new text
    Given the documents:
      | id      | text                                                   |
      | canteen | The canteen serves lunch between noon and two o'clock. |
    When an editor updates "canteen":
      | field | value                                        |
      | text  | Travel expenses are repaid within two weeks. |
    Then Qdrant and PostgreSQL agree on "canteen":
      | field   | value                                        |
      | version | 2                                            |
      | text    | Travel expenses are repaid within two weeks. |
    And the vector of "canteen" is the embedding of its text
    When a reader searches for "The canteen serves lunch between noon and two o'clock."
    Then the answer shows:
      | field           | value          |
      | results.*.score | less than 0.99 |

  @N12
  Scenario: A collection re-created with other dimensions shows nothing of the old
    Given the documents:
      | id     | text                          |
      | secret | What the old collection knew. |
    When an editor deletes the collection "handbook"
    And an editor creates the collection "handbook" with:
      | option     | value |
      | dimensions | 4     |
    Then the request succeeds
    When a reader searches for the vector [1, 1, 1, 1]
    Then there are no results
    And the document "secret" does not exist

  @key.size-limits-enforced
  Scenario Outline: The largest allowed value is accepted and the next larger refused: <measure>
    When an editor tries <measure> of <largest>
    Then the request succeeds
    When an editor tries <measure> of <next>
    Then the request is refused with "validation-failed"

    Examples:
      | measure                       | largest          | next             |
      | a text length                 | 8192             | 8193             |
      | a batch size                  | 100              | 101              |
      | an embedding batch size       | 32               | 33               |
      | a job size                    | 10000            | 10001            |
      | a search limit                | 1000             | 1001             |
      | a search offset               | 10000            | 10001            |
      | a page size                   | 100              | 101              |
      | a number of metadata values   | 64               | 65               |
      | a metadata list length        | 64               | 65               |
      | a number of filter conditions | 16               | 17               |
      | a number of filter choices    | 64               | 65               |
      | a number of dimensions        | 4096             | 4097             |
      | a whole number                | 9007199254740991 | 9007199254740992 |

  Scenario Outline: The smallest allowed value is accepted and the next smaller refused: <measure>
    When an editor tries <measure> of <smallest>
    Then the request succeeds
    When an editor tries <measure> of <next>
    Then the request is refused with "validation-failed"

    Examples:
      | measure                       | smallest          | next              |
      | a text length                 | 1                 | 0                 |
      | a batch size                  | 1                 | 0                 |
      | an embedding batch size       | 1                 | 0                 |
      | a job size                    | 1                 | 0                 |
      | a search limit                | 1                 | 0                 |
      | a search offset               | 0                 | -1                |
      | a page size                   | 1                 | 0                 |
      | a number of filter conditions | 1                 | 0                 |
      | a number of filter choices    | 1                 | 0                 |
      | a number of dimensions        | 1                 | 0                 |
      | a whole number                | -9007199254740991 | -9007199254740992 |

  @key.vector-length-limits-enforced
  Scenario Outline: The longest and the shortest vector are accepted and the next refused: <bound>
    Given the collection "points":
      | option     | value     |
      | dimensions | <allowed> |
    When an editor stores the document "sample" with a vector of <allowed> numbers
    Then the request succeeds
    When an editor stores the document "sample" with a vector of <next> numbers
    Then the request is refused with "validation-failed"

    Examples:
      | bound    | allowed | next |
      | longest  | 4096    | 4097 |
      | shortest | 1       | 0    |
