Feature: Malformed requests are refused and harm nothing
  Content that cannot be read, content that is too large, an ambiguous address or framing and a forged
  log line are refused by the gateway, before they reach a store, and the platform goes on.

  Background:
    Given the collection "handbook"

  @N6 @key.unreadable-requests-refused
  Scenario Outline: A request with <malformed> is refused as <code>
    When an editor sends a request with <malformed>
    Then the request is refused with "<code>"
    And the answer shows:
      | field         | value         |
      | answer length | at most 16384 |
    When a reader reads the status of the collection "handbook"
    Then the answer shows:
      | field        | value |
      | points count | 0     |
      | rows count   | 0     |

    Examples:
      | malformed                        | code              |
      | no content                       | malformed-request |
      | a truncated object               | malformed-request |
      | two objects                      | malformed-request |
      | a character after the object     | malformed-request |
      | a comment                        | malformed-request |
      | single quotes                    | malformed-request |
      | a trailing comma                 | malformed-request |
      | NaN                              | malformed-request |
      | invalid UTF-8                    | malformed-request |
      | truncated UTF-8                  | malformed-request |
      | overlong UTF-8                   | malformed-request |
      | UTF-16                           | malformed-request |
      | a line break within a string     | malformed-request |
      | 100,000 nested lists             | malformed-request |
      | 5,000 nested objects in a filter | malformed-request |
      | gzip content without its header  | malformed-request |
      | a form                           | malformed-request |
      | XML                              | malformed-request |
      | a list for the object            | validation-failed |
      | a string for the object          | validation-failed |
      | a number for the object          | validation-failed |
      | null for the object              | validation-failed |
      | an empty object                  | validation-failed |
      | a field too many                 | validation-failed |
      | a field named __proto__          | validation-failed |
      | a NUL in the text                | validation-failed |
      | a lone surrogate in the text     | validation-failed |
      | a list for the text              | validation-failed |
      | a number beyond float64          | validation-failed |

  @key.content-types-enforced
  Scenario: Content of any other type than the documented one is refused
    When a reader embeds "a text" with each of these options:
      | option              | value                             |
      | header Content-Type | text/plain                        |
      | header Content-Type | text/json                         |
      | header Content-Type | application/x-www-form-urlencoded |
      | header Content-Type | multipart/form-data; boundary=a   |
      | header Content-Type | application/xml                   |
      | header Content-Type | application/octet-stream          |
      | header Content-Type | application/x-python-pickle       |
      | header Content-Type | application/jsonp                 |
      | header Content-Type | application/problem+json          |
      | header Content-Type | */*                               |
      | header Content-Type | application/*                     |
      | header Content-Type | json                              |
      | header Content-Type | ""                                |
    Then every request is refused with "unsupported-media-type"

  @critical @key.request-size-limit-exact
  Scenario: A request of 10 MiB is read and one of a byte more is refused
    When these requests are made:
      | actor     | request                                                   |
      | an editor | sends a request of 10485760 bytes                         |
      | an editor | sends a request of 10485761 bytes                         |
      | an editor | sends a request of 10485760 bytes without its length      |
      | an editor | sends a request of 10485761 bytes without its length      |
    Then the outcomes are:
      | request                                | outcome           |
      | of 10485760 bytes                      | validation-failed |
      | of 10485761 bytes                      | content-too-large |
      | of 10485760 bytes without its length   | validation-failed |
      | of 10485761 bytes without its length   | content-too-large |

  @key.compressed-requests-not-expanded
  Scenario: A compressed request is refused without being expanded
    When an editor sends a request of 10485771 bytes compressed
    Then the outcomes are:
      | outcome                                                          |
      | malformed-request or unsupported-media-type or content-too-large |

  @G5 @use.with_stores=visible @key.duplicate-members-have-one-value
  Scenario: A field that is given twice has one value for readers and in both stores
    When an editor stores a document with the ids "shadow" and "twin" and the texts "The first text." and "The second text." in one object
    Then the outcomes are:
      | outcome                      |
      | created or malformed-request |
    And every acknowledged document is read as Qdrant and PostgreSQL hold it
    And within the convergence limit every document is in both stores or in neither

  @critical @key.path-spellings-do-not-bypass-authentication
  Scenario: No spelling of an address and no redirecting header bypasses authentication
    When an anonymous caller calls protected routes in every spelling
    Then no answer contains "contract_version", "capabilities" and "next_cursor"

  @key.request-smuggling-refused
  Scenario Outline: A request that two servers would read differently is refused: <framing>
    When an editor sends a request with <framing>
    Then the request is refused or its connection closed

    Examples:
      | framing                            |
      | two lengths                        |
      | a negative length                  |
      | a sum as its length                |
      | an unknown transfer encoding       |
      | a chunk without a length           |
      | a space after a header name        |
      | a header without a name            |
      | a NUL in a header                  |
      | a bare carriage return in a header |
      | two hosts                          |
      | a header of 200,000 characters     |

  @key.host-header-not-trusted
  Scenario Outline: A forged host is repeated in no answer: <request>
    When an editor <request> with:
      | option                  | value             |
      | header Host             | evil.example      |
      | header X-Forwarded-Host | evil.example      |
      | header Forwarded        | host=evil.example |
    Then the outcomes are:
      | outcome   |
      | <outcome> |
    And no answer contains "evil.example"

    Examples:
      | request                                                | outcome         |
      | stores the document "letter" with the text "A letter." | created         |
      | reads the status of the platform                       | succeeded       |
      | calls an unknown route                                 | route-not-found |

  @N14 @not.with_mode=deployed @key.log-injection-prevented
  Scenario: No caller writes a line of a log or the name of a metric
    When an editor writes log lines that say "forged-{unique}"
    Then "forged-{unique}" is the event of no log line and in no metric
