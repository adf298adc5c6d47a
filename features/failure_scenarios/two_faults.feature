@outage @use.with_stores=visible
Feature: Two failures at once do no more harm than one after the other
  Failures come together: the rack that loses its power held two services. Whoever does without one helper
  must not have come to rely on the other.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N5 @N6 @G6
  Scenario Outline: Only what needs one of them is refused without <one> and <other>
    Given every operation has something to work on
    When the link to <one> is cut while the one to <other> passes nothing on
    Then all operations, asked for at the same moment, answer within the promised time
    And those that need one of them refuse as unavailable
    And all others do their work
    When everything is running again
    Then everything works again within the promised time

    Examples:
      | one                   | other                 |
      | the vector store      | the cache             |
      | the embedding service | the metadata store    |
      | the cache             | the embedding service |
