Feature: What goes in comes out
  Texts, numbers and vectors come back as they were given, whatever script they
  are written in, and a text always has the same embedding.

  @key.text-stored-verbatim
  Scenario Outline: A text is stored character by character: <kind>
    Given the collection "handbook"
    When an editor stores the document "sample" with:
      | option | value  |
      | text   | <text> |
    Then the document "sample" has:
      | field | value  |
      | text  | <text> |

    Examples:
      | kind        | text                                  |
      | emoji       | family 👩‍👩‍👧 and flag 🏳️‍🌈        |
      | Arabic      | مرحبا بالعالم                        |
      | Chinese     | 向量数据库保存文本的含义            |
      | combining   | Café with a combining accent        |
      | punctuation | it's 100 % "quoted"; --, /* and <b> \| |
      | a list      | "[1, 2]"                              |
      | a number    | "007"                                 |

  @key.metadata-types-kept
  Scenario: Metadata keep their types and values
    Given the collection "handbook"
    When an editor stores the document "sample" with:
      | option            | value                       |
      | text              | A text.                     |
      | metadata.largest  | 9007199254740991            |
      | metadata.smallest | -9007199254740991           |
      | metadata.tiny     | 1e-12                       |
      | metadata.fraction | 0.1                         |
      | metadata.decimal  | 5.0                         |
      | metadata.zero     | 0                           |
      | metadata.yes      | true                        |
      | metadata.words    | ["one", "", "drei", "四"]   |
      | metadata.mixed    | [1, 2.5, false, "x"]        |
      | metadata.quoted   | it's "quoted" \ and back    |
      | metadata.digits   | "5"                         |
      | metadata.empty    | ""                          |
      | metadata.nothing  | []                          |
    Then the document "sample" has:
      | field             | value                       |
      | text              | A text.                     |
      | metadata.largest  | 9007199254740991            |
      | metadata.smallest | -9007199254740991           |
      | metadata.tiny     | 1e-12                       |
      | metadata.fraction | 0.1                         |
      | metadata.decimal  | 5.0                         |
      | metadata.zero     | 0                           |
      | metadata.yes      | true                        |
      | metadata.words    | ["one", "", "drei", "四"]   |
      | metadata.mixed    | [1, 2.5, false, "x"]        |
      | metadata.quoted   | it's "quoted" \ and back    |
      | metadata.digits   | "5"                         |
      | metadata.empty    | ""                          |
      | metadata.nothing  | []                          |

  @critical @key.embeddings-match-golden-vectors
  Scenario: The model is the one that the stored vectors were made with
    Why it matters: after a change of model, pooling or tokenizer old and new vectors cannot be compared.

    When a reader embeds the golden texts with cache off
    Then every embedding has a similarity of at least 0.9999 to its golden vector
    And every embedding has a length between 0.99999 and 1.00001

  Scenario: Texts of the same meaning are closer than unrelated ones
    When a reader embeds these texts in one batch:
      | text                                     | in other words                                  |
      | How much holiday am I granted each year? | How many days of annual leave do I get?         |
      | The pump lost pressure overnight.        | During the night the pressure of the pump fell. |
      | Invoices are paid within a month.        | Bills are settled within thirty days.           |
      | The meeting was moved to Friday.         | They postponed the meeting until Friday.        |
    Then texts of one row have a similarity of at least 0.45, and texts of different rows of at most 0.4

  @key.embedding-independent-of-batch
  Scenario: A text has one embedding, alone or among others
    When these requests are made:
      | actor    | request                                                                                              |
      | a reader | embeds "a short text" with cache off                                                                 |
      | a reader | embeds "The longest text of all of them comes first, whatever its place in the answer.", "a short text" and "a text between the two" in one batch with cache off |
    Then embeddings 1 and 3 differ by at most 0.00001

  @key.repeated-embedding-is-cache-hit
  Scenario: A repeated text is answered from the cache with the same embedding
    When a reader embeds "The fountain is switched on in May, {unique}." 2 times
    Then the outcomes are:
      | outcome   | X-Cache |
      | succeeded | MISS    |
      | succeeded | HIT     |
    And embeddings 1 and 2 differ by at most 0.00001

  @N13 @key.long-text-flagged-truncated
  Scenario: A text longer than the model reads is flagged truncated
    When a reader embeds a text of 600 words
    Then the answer shows:
      | field     | value |
      | truncated | true  |

  @N13 @key.model-reads-to-its-token-limit
  Scenario: The model reads a text up to its token limit
    When these requests are made:
      | actor    | request                                                              |
      | a reader | embeds a text of 200 words that ends with "garden" with cache off    |
      | a reader | embeds a text of 200 words that ends with "invoice" with cache off   |
    Then every answer shows:
      | field     | value |
      | truncated | false |
    And embeddings 1 and 2 differ by at least 0.0001

  @key.vectors-stored-exactly
  Scenario: A vector is stored exactly as it was given
    Given the collection "points":
      | option     | value       |
      | dimensions | 4           |
      | distance   | dot product |
    When an editor stores the document "corner" with the vector [1.5, -2.25, 0.0, 1000000]
    Then the document "corner" has:
      | field  | value                       |
      | vector | [1.5, -2.25, 0.0, 1000000]  |

  @key.changed-vector-is-an-update
  Scenario: A vector stored again with other numbers is an update
    Given the collection "points":
      | option     | value       |
      | dimensions | 4           |
      | distance   | dot product |
    And an editor stores the document "corner" with the vector [1, 2, 3, 4]
    When an editor stores the document "corner" with the vector [4, 3, 2, 1]
    Then the request succeeds as "updated" in version 2
    And the document "corner" has:
      | field  | value        |
      | vector | [4, 3, 2, 1] |

  @key.vector-updated-exactly
  Scenario: A vector is updated exactly as it is given
    Given the collection "points":
      | option     | value       |
      | dimensions | 4           |
      | distance   | dot product |
    And an editor stores the document "corner" with the vector [1, 2, 3, 4]
    When an editor updates "corner":
      | field  | value               |
      | vector | [-1.5, 2.25, 0, 7]  |
    Then the request succeeds as "updated" in version 2
    And the document "corner" has:
      | field  | value               |
      | vector | [-1.5, 2.25, 0, 7]  |

  @G6 @key.text-and-vector-exclude-each-other
  Scenario: A document has a text or a vector, never both
    Given the collection "handbook"
    And an editor stores the document "rules" with the text "These rules are in force."
    When an editor stores the document "rules" with:
      | option | value           |
      | text   | Other rules.    |
      | vector | 384 numbers     |
    Then the request is refused with "validation-failed"
    When an editor updates "rules":
      | field  | value           |
      | text   | Other rules.    |
      | vector | 384 numbers     |
    Then the request is refused with "validation-failed"
    And the document "rules" has:
      | field   | value                     |
      | version | 1                         |
      | text    | These rules are in force. |

  @use.with_stores=visible
  Scenario: The reference texts are found again by their own words
    Why it matters: 200 real passages show what a handful of sentences cannot.

    Given the collection "reference"
    And an editor stores 200 reference texts
    When a reader searches for the text of every stored document
    Then the right document is among the first 1 results of at least 100 % of the searches
    And every result is that of the stored vectors
