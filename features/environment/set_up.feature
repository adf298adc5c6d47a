Feature: A platform to test, and a part of it of our own
  Results mean something only if the platform was healthy at the start and if
  nothing that others store can disturb the suite, or be disturbed by it.

  @smoke
  Scenario: The platform is healthy before anything is asked of it
    When an anonymous caller reads the health report
    Then the request succeeds
    And the answer shows:
      | field             | value   |
      | status            | healthy |
      | services.*.status | healthy |
    When an anonymous caller reads the readiness report
    Then the request succeeds

  @use.with_stores=visible
  Scenario: Everything a scenario creates carries the name of its run
    Given the collection "handbook"
    When an editor stores the document "house-rules" with the text "Quiet hours begin at ten in the evening."
    Then the request succeeds as "created"
    And Qdrant and PostgreSQL hold the collection "handbook" under one name, which begins with that of the run

  Scenario: Two scenarios use the same names without meeting
    Given the collection "handbook"
    And the documents:
      | id          | text                                     |
      | house-rules | Quiet hours begin at ten in the evening. |
    When an editor of another scenario creates the collection "handbook"
    And a reader of another scenario lists the documents
    Then the pages show 0 documents, each once, in the order of their ids
    And the document "house-rules" has:
      | field | value                                    |
      | text  | Quiet hours begin at ten in the evening. |
