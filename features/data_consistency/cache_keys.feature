@use.with_stores=visible @G4 @N4
Feature: Nearly equal requests never share a cache entry
  A cache that takes one request for another answers quickly and wrongly. Every difference that can change a
  result must keep two requests apart.

  Background:
    Given the collection "handbook"

  @critical @key.similar-searches-have-own-cache-keys
  Scenario: Nearly equal searches do not share a cache entry
    Given the documents:
      | id      | text    | metadata.n | metadata.s   | metadata.a | metadata.b | metadata.ab |
      | note-0  | note 0  | 1          |              |            |            |             |
      | note-1  | note 1  | true       |              |            |            |             |
      | note-2  | note 2  | "1"        |              |            |            |             |
      | note-3  | note 3  | "true"     |              |            |            |             |
      | note-4  | note 4  | 1.5        |              |            |            |             |
      | note-5  | note 5  | -1         |              |            |            |             |
      | note-6  | note 6  | [1, 2]     |              |            |            |             |
      | note-7  | note 7  | ["1", "2"] |              |            |            |             |
      | note-8  | note 8  | "1,2"      |              |            |            |             |
      | note-9  | note 9  |            | "caf\u00e9"  |            |            |             |
      | note-10 | note 10 |            | "cafe\u0301" |            |            |             |
      | note-11 | note 11 |            | "a"          |            |            |             |
      | note-12 | note 12 |            | "A"          |            |            |             |
      | note-13 | note 13 |            | "a "         |            |            |             |
      | note-14 | note 14 |            | ""           |            |            |             |
      | note-15 | note 15 |            |              | x          | y          |             |
      | note-16 | note 16 |            |              | y          | x          |             |
      | note-17 | note 17 |            |              |            |            | xy          |
    When these requests are made:
      | actor    | request                                                           | times |
      | a reader | searches for "note"                                               |       |
      | a reader | searches for "note" with limit 1                                  |       |
      | a reader | searches for "note" with limit 2                                  |       |
      | a reader | searches for "note" with limit 12                                 |       |
      | a reader | searches for "note" with offset 1                                 |       |
      | a reader | searches for "note" with offset 2                                 |       |
      | a reader | searches for "note" with limit 1 and offset 1                     |       |
      | a reader | searches for "note" with limit 1 and offset 2                     |       |
      | a reader | searches for "note" with limit 2 and offset 1                     |       |
      | a reader | searches for "note" with limit 12 and vectors on                  |       |
      | a reader | searches for "note" with score threshold 0                        |       |
      | a reader | searches for "note" with score threshold 1                        |       |
      | a reader | searches for "note" with score threshold 0.5                      |       |
      | a reader | searches for "note" with score threshold 0.50001 and limit 12     |       |
      | a reader | searches for "note" with limit 18                                 |       |
      | a reader | searches for "note " with limit 18                                |       |
      | a reader | searches for " note" with limit 18                                |       |
      | a reader | searches for "Note" with limit 18                                 |       |
      | a reader | searches for "no te" with limit 18                                |       |
      | a reader | searches for "note 1" with limit 18                               |       |
      | a reader | searches for "note 1.0" with limit 18                             |       |
      | a reader | searches for "note true" with limit 18                            |       |
      | a reader | searches for "caf\u00e9" with limit 18                            |       |
      | a reader | searches for "cafe\u0301" with limit 18                           |       |
      | a reader | searches for "note" with filter n = 1 and limit {n}               | 3     |
      | a reader | searches for "note" with filter n = true and limit {n}            | 3     |
      | a reader | searches for "note" with filter n = "1" and limit {n}             | 3     |
      | a reader | searches for "note" with filter n = "true" and limit {n}          | 3     |
      | a reader | searches for "note" with filter n = -1 and limit {n}              | 3     |
      | a reader | searches for "note" with filter n = "1,2" and limit {n}           | 3     |
      | a reader | searches for "note" with filter n in [1, 2] and limit {n}         | 3     |
      | a reader | searches for "note" with filter n in ["1", "2"] and limit {n}     | 3     |
      | a reader | searches for "note" with filter n in ["1,2"] and limit {n}        | 3     |
      | a reader | searches for "note" with filter n >= 1 and limit {n}              | 3     |
      | a reader | searches for "note" with filter n > 1 and limit {n}               | 3     |
      | a reader | searches for "note" with filter n <= 1 and limit {n}              | 3     |
      | a reader | searches for "note" with filter n < 1 and limit {n}               | 3     |
      | a reader | searches for "note" with filter n >= 1 and n <= 1 and limit {n}   | 3     |
      | a reader | searches for "note" with filter n >= -1 and n < 1.5 and limit {n} | 3     |
      | a reader | searches for "note" with filter s = "caf\u00e9" and limit {n}     | 3     |
      | a reader | searches for "note" with filter s = "cafe\u0301" and limit {n}    | 3     |
      | a reader | searches for "note" with filter s = "a" and limit {n}             | 3     |
      | a reader | searches for "note" with filter s = "A" and limit {n}             | 3     |
      | a reader | searches for "note" with filter s = "a " and limit {n}            | 3     |
      | a reader | searches for "note" with filter s = "" and limit {n}              | 3     |
      | a reader | searches for "note" with filter a = "x" and b = "y" and limit {n} | 3     |
      | a reader | searches for "note" with filter b = "y" and a = "x" and limit {n} | 3     |
      | a reader | searches for "note" with filter a = "y" and b = "x" and limit {n} | 3     |
      | a reader | searches for "note" with filter ab = "xy" and limit {n}           | 3     |
    Then every result is the same as without the cache
    And at least 30 of the results differ from each other
    When the same requests are made again
    Then every result was served from the cache
    And every result is the same as without the cache

  @key.similar-texts-have-own-cache-keys
  Scenario: Nearly equal texts do not share a cached embedding
    When these requests are made:
      | actor    | request                        |
      | a reader | embeds "{unique}note"          |
      | a reader | embeds "{unique}note "         |
      | a reader | embeds "{unique} note"         |
      | a reader | embeds "{unique}Note"          |
      | a reader | embeds "{unique}no te"         |
      | a reader | embeds "{unique}note 1"        |
      | a reader | embeds "{unique}note 1.0"      |
      | a reader | embeds "{unique}note true"     |
      | a reader | embeds "{unique}caf\u00e9"     |
      | a reader | embeds "{unique}cafe\u0301"    |
      | a reader | embeds "{unique}1"             |
      | a reader | embeds "{unique}1.0"           |
      | a reader | embeds "{unique}true"          |
      | a reader | embeds "{unique}True"          |
      | a reader | embeds "{unique}a b"           |
      | a reader | embeds "{unique}a  b"          |
      | a reader | embeds "{unique}ab"            |
      | a reader | embeds "{unique}a\u000ab"      |
      | a reader | embeds "{unique}a,b"           |
      | a reader | embeds "{unique}[\"a\",\"b\"]" |
      | a reader | embeds "{unique}a\|b"          |
      | a reader | embeds "{unique}a:b"           |
    Then every result is the same as without the cache
    And at least 12 of the results differ from each other
    When the same requests are made again
    Then every result was served from the cache
    And every result is the same as without the cache

  @use.with_providers=visible
  Scenario: Nearly equal requests to a provider do not share a cache entry
    When these requests are made:
      | actor    | request                                                   |
      | a reader | asks OpenAI to embed "a" and "b"                          |
      | a reader | asks OpenAI to embed "a" and "b" with dimensions 256      |
      | a reader | asks OpenAI to embed "b" and "a"                          |
      | a reader | asks OpenAI to embed "b" and "a" with dimensions 256      |
      | a reader | asks OpenAI to embed "ab"                                 |
      | a reader | asks OpenAI to embed "ab" with dimensions 256             |
      | a reader | asks OpenAI to embed "a,b"                                |
      | a reader | asks OpenAI to embed "a,b" with dimensions 256            |
      | a reader | asks OpenAI to embed "a\|b"                               |
      | a reader | asks OpenAI to embed "a\|b" with dimensions 256           |
      | a reader | asks OpenAI to embed "a\",\"b"                            |
      | a reader | asks OpenAI to embed "a\",\"b" with dimensions 256        |
      | a reader | asks OpenAI to embed "a", "b" and "b"                     |
      | a reader | asks OpenAI to embed "a", "b" and "b" with dimensions 256 |
      | a reader | asks OpenAI to embed "caf\u00e9"                          |
      | a reader | asks OpenAI to embed "caf\u00e9" with dimensions 256      |
      | a reader | asks OpenAI to embed "cafe\u0301"                         |
      | a reader | asks OpenAI to embed "cafe\u0301" with dimensions 256     |
      | a reader | asks OpenAI to embed "a"                                  |
      | a reader | asks OpenAI to embed "a" with dimensions 256              |
      | a reader | asks OpenAI to embed "a "                                 |
      | a reader | asks OpenAI to embed "a " with dimensions 256             |
    Then every result is the same as without the cache
    And at least 20 of the results differ from each other
    When the same requests are made again
    Then every result was served from the cache
    And every result is the same as without the cache
