Feature: Hostile input does no harm
  Input is data, never an instruction; what cannot be valid is refused before it
  reaches a store, and errors tell an attacker nothing.

  Background:
    Given the collection "handbook"

  Scenario Outline: A hostile text is stored as plain text: <attack>
    When an editor stores the document "letter" about "<text>"
    Then the document "letter" reads "<text>"
    And the collection "handbook" still works

    Examples:
      | attack     | text                                          |
      | SQL        | '); DROP TABLE vector_metadata; --            |
      | script     | <script>alert(document.cookie)</script>       |
      | template   | {{7*7}} ${7*7} #{7*7}                         |
      | shell      | $(rm -rf /) `reboot` ; cat /etc/passwd        |
      | format     | %s%s%n %(password)s {0.__class__}             |

  @N6
  Scenario Outline: What cannot be valid is refused and harms nothing: <attack>
    When an attacker sends <attack>
    Then the request is refused with a problem that shows no internals
    And the collection "handbook" still works

    Examples:
      | attack                        |
      | a text with a NUL character   |
      | a text with half a character  |
      | a number too large to hold    |
      | a deeply nested request       |
      | a name that climbs folders    |
      | a filter that is code         |
      | a key with a line break       |
      | a member named __proto__      |
      | an array where a text belongs |

  @N6 @key.hostile-names-refused
  Scenario Outline: A hostile word is no name: <place>
    When an attacker puts every hostile word where <place> belongs
    Then each of them is refused without a word about the inside
    And the collection "handbook" still works

    Examples:
      | place                        |
      | the name of a collection     |
      | the name of a new collection |
      | the collection of a search   |
      | the id of a document         |
      | the id of a new document     |
      | the name of a metadata value |
      | the name in a filter         |
      | the operator of a filter     |
      | a member of a request        |
      | the model of a text          |
      | the name of a model          |
      | the name of a provider       |
      | the order of providers       |
      | the number of a job          |
      | the state of jobs to list    |
      | the place in a list          |
      | the size of a page           |

  @key.hostile-values-stored-verbatim
  Scenario: A hostile word is a value like any other
    When an editor stores a document for each hostile word, in its text and in its metadata
    Then each word is read as it was written and found by itself alone

  @key.filters-are-never-executed
  Scenario: A filter is never code
    When an attacker searches with filters in the languages of stores and of programs
    Then each is refused as not valid
    And the collection "handbook" still works
