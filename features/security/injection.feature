Feature: Hostile strings are data and never code
  What a caller sends is stored or refused as data, whatever language it is written in; it never
  becomes a name, a filter, a header or a command, and a refusal does not throw it back at length.

  Background:
    Given the collection "handbook"

  Scenario Outline: A hostile text is stored as plain text: <attack>
    When an editor stores the document "letter" with the text "<text>"
    Then the request succeeds as "created"
    And the document "letter" has:
      | field | value    |
      | text  | "<text>" |
    When a reader searches for "<text>"
    Then the results are "letter"

    Examples:
      | attack             | text                                    |
      | SQL                | '); DROP TABLE vector_metadata; --      |
      | a script           | <script>alert(document.cookie)</script> |
      | templates          | {{7*7}} ${7*7} #{7*7}                   |
      | shell commands     | $(rm -rf /) `reboot` ; cat /etc/passwd  |
      | format specifiers  | %s%s%n %(password)s {0.__class__}       |

  @N6 @key.hostile-names-refused
  Scenario Outline: Every hostile string is refused as <place>
    When an editor uses every hostile string as <place>
    Then every request is refused with "<code>" or "<other>"
    And every answer shows:
      | field         | value         |
      | answer length | at most 16384 |
      | X-Injected    | absent        |
    When a reader reads the status of the collection "handbook"
    Then the answer shows:
      | field        | value |
      | points count | 0     |
      | rows count   | 0     |

    Examples:
      | place                        | code              | other             |
      | the name of a collection     | validation-failed | route-not-found   |
      | the name of a new collection | validation-failed | malformed-request |
      | the collection of a search   | validation-failed | malformed-request |
      | the id of a document         | validation-failed | route-not-found   |
      | the id of a new document     | validation-failed | malformed-request |
      | the name of a metadata value | validation-failed | malformed-request |
      | the name in a filter         | validation-failed | malformed-request |
      | the operator of a filter     | validation-failed | malformed-request |
      | a field of a search          | validation-failed | malformed-request |
      | the model of a document      | validation-failed | malformed-request |
      | the name of a model          | validation-failed | route-not-found   |
      | the name of a provider       | validation-failed | route-not-found   |
      | a provider to fail over to   | validation-failed | malformed-request |
      | the id of a job              | validation-failed | route-not-found   |
      | the status of jobs to list   | validation-failed | malformed-request |
      | the cursor of a list         | validation-failed | malformed-request |
      | the size of a page           | validation-failed | malformed-request |

  @key.hostile-values-stored-verbatim
  Scenario: Hostile strings are stored verbatim in texts and metadata, and a filter finds each alone
    When an editor stores every hostile string in a document
    Then every request succeeds as "created"
    And every acknowledged document is read with its last text and metadata
    When a reader filters for every hostile string
    Then every search finds exactly its right documents

  @N6 @key.filters-are-never-executed
  Scenario: Filters in the languages of stores and of programs are refused
    When a reader searches with every hostile filter
    Then every request is refused with "validation-failed"
    And every answer shows:
      | field         | value         |
      | answer length | at most 16384 |
    When a reader reads the status of the collection "handbook"
    Then the request succeeds
