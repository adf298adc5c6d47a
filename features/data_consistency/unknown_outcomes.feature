@outage @use.with_stores=visible @G6 @N2
Feature: A write with an unknown outcome is settled by the platform itself
  A lost request and a lost response look the same to the caller. The platform must
  say that it does not know, and then see to it that both stores hold the same.

  Background:
    Given the collection "handbook"
    And the documents:
      | id         | text                       |
      | price-list | All prices are net of tax. |
      | old-notice | The lift is out of order.  |

  @critical @N1 @key.lost-call-to-qdrant-converges
  Scenario Outline: Writes with a lost <what> are in both stores or in neither
    When the connection to Qdrant <loses it>
    And these requests are made at the same moment:
      | actor     | request                                                  |
      | an editor | stores the document "menu" with the text "Lunch at noon." |
      | an editor | updates "price-list" with text "All prices include tax."  |
      | an editor | deletes "old-notice"                                      |
    Then every request is refused with "dependency-timeout"
    And every answer arrives within the Qdrant limit
    When Qdrant recovers
    Then within the convergence limit every document is in both stores or in neither

    Examples:
      | what     | loses it               |
      | request  | blackholes all traffic |
      | response | drops every response   |

  @G5 @N3 @N11 @key.late-write-does-not-win
  Scenario: A write that Qdrant executes too late does not win
    Given these requests are in flight, held in Qdrant's queue:
      | actor     | request                                                |
      | an editor | updates "price-list" with text "Prices of last year."  |
    When the requests in flight are answered
    Then every request is refused with "dependency-timeout"
    And within the convergence limit these requests succeed:
      | actor     | request                                                  |
      | an editor | updates "price-list" with text "All prices include tax." |
    When the requests in flight go on
    Then within the convergence limit every document is in both stores or in neither
    And Qdrant and PostgreSQL agree on "price-list":
      | field   | value                   |
      | version | 3                       |
      | text    | All prices include tax. |

  @G3 @key.deleted-document-not-resurrected
  Scenario: A document that is deleted before its insert is finished does not come back
    Given the connection to Qdrant blackholes all traffic
    When an editor stores the document "menu" with the text "Lunch is at noon."
    Then the request is refused with "dependency-timeout"
    When Qdrant recovers
    Then within 3 seconds these requests succeed:
      | actor     | request        |
      | an editor | deletes "menu" |
    And for 2 seconds neither Qdrant nor PostgreSQL holds "menu"
    And within the convergence limit every document is in both stores or in neither
    And neither Qdrant nor PostgreSQL holds "menu"
