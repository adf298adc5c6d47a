Feature: What goes in comes out
  Texts, numbers and vectors come back as they were given, whatever script they
  are written in, and a text always has the same embedding.

  @key.text-stored-verbatim
  Scenario Outline: A text is kept character by character: <kind>
    Given the collection "handbook"
    When an editor stores the document "sample" about "<text>"
    Then the document "sample" reads "<text>"

    Examples:
      | kind        | text                                  |
      | emoji       | family 👩‍👩‍👧 and flag 🏳️‍🌈        |
      | Arabic      | مرحبا بالعالم                        |
      | Chinese     | 向量数据库保存文本的含义            |
      | combining   | Café with a combining accent        |
      | punctuation | it's 100 % \"quoted\"; --, /* and <b> |

  @key.metadata-types-kept
  Scenario: Metadata keep their types and values
    Given the collection "handbook"
    When an editor stores "sample" with large, small, negative and listed metadata values
    Then the metadata of "sample" are exactly those

  @critical @key.embeddings-match-golden-vectors
  Scenario: The model is the one that the stored vectors were made with
    Why it matters: after a change of model, pooling or tokenizer old and new vectors cannot be compared.

    When the golden texts are embedded
    Then each vector is like its golden one to at least 0.9999
    And each of them has length 1

  Scenario: Texts of the same meaning are closer than unrelated ones
    When these pairs of texts are embedded:
      | text                                      | in other words                                 |
      | How much holiday am I granted each year?  | How many days of annual leave do I get?        |
      | The pump lost pressure overnight.         | During the night the pressure of the pump fell. |
      | Invoices are paid within a month.         | Bills are settled within thirty days.          |
      | The meeting was moved to Friday.          | They postponed the meeting until Friday.       |
    Then every text is closer to its own other words than any two unrelated texts are

  @key.embedding-independent-of-batch
  Scenario: A text has one embedding, alone or among others
    When the same text is embedded alone and in a batch with longer texts
    Then both embeddings are the same

  @key.repeated-embedding-is-cache-hit
  Scenario: A repeated text is answered from the cache with the same embedding
    Given a text that has just been embedded
    When the text is embedded again
    Then the answer comes from the cache
    And both embeddings are the same

  @N13 @key.long-text-flagged-truncated
  Scenario: A text longer than the model reads is declared truncated
    When a text of 600 words is embedded
    Then the answer says that the text was truncated

  @N13 @key.model-reads-to-its-token-limit
  Scenario: What the model has room for is read to its end
    When two texts of 200 words that differ in the last one are embedded
    Then neither is declared truncated
    And their embeddings differ

  @key.vectors-stored-exactly
  Scenario: Vectors are stored exactly as they were given
    Given a collection "points" for vectors of 4 numbers compared by dot product
    When an editor stores the vector "corner" with the numbers "1.5, -2.25, 0.0, 1000000"
    Then reading "corner" gives exactly those numbers

  @key.changed-vector-is-an-update
  Scenario: A vector stored again with other numbers is changed
    Given a collection "points" for vectors of 4 numbers compared by dot product
    And the vector "corner" with the numbers "1, 2, 3, 4"
    When an editor stores the vector "corner" with the numbers "4, 3, 2, 1"
    Then reading "corner" gives exactly those numbers

  @key.vector-updated-exactly
  Scenario: A vector is rewritten exactly as it is given
    Given a collection "points" for vectors of 4 numbers compared by dot product
    And the vector "corner" with the numbers "1, 2, 3, 4"
    When an editor rewrites the vector "corner" to the numbers "-1.5, 2.25, 0, 7"
    Then reading "corner" gives exactly those numbers

  @G6 @key.text-and-vector-exclude-each-other
  Scenario: A document has a text or a vector, never both
    Given the collection "handbook"
    And the document "rules" about "These rules are in force."
    When an editor stores, and then rewrites, "rules" with a text and a vector at once
    Then each is refused as "validation-failed"
    And the document "rules" reads "These rules are in force."

  @use.with_stores=visible
  Scenario: The reference texts are found again by their own words
    Why it matters: 200 real passages show what a handful of sentences cannot.

    Given the collection "reference"
    And 200 passages of the reference texts are stored
    When each fifth passage is searched by its own text
    Then every one of them is its own first result
    And the stored vectors rank them as the platform does
