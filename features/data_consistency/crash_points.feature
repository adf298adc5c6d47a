@outage @use.with_stores=visible @N1 @N2 @G6
Feature: A write is whole or absent, at whatever moment the gateway crashes
  A write goes to two stores, one after the other. Killed anywhere in between,
  the platform must find its way to both or neither, and trying again is safe.

  Background:
    Given the collection "handbook"
    And the documents:
      | id         | text                       |
      | price-list | All prices are net of tax. |
      | old-notice | The lift is out of order.  |

  @critical
  Scenario Outline: Writes are whole or absent after a crash of the gateway: held <moment>
    Given these requests are in flight, held <moment>:
      | actor     | request                                                     |
      | an editor | stores the document "menu" with the text "Lunch is at noon." |
      | an editor | updates "price-list" with text "All prices include tax."     |
      | an editor | deletes "old-notice"                                         |
    When the gateway crashes
    And the requests in flight go on
    Then the outcomes are:
      | outcome   | number |
      | no answer | 3      |
    When the gateway recovers
    Then within the convergence limit every document is in both stores or in neither
    When the same requests are made again
    Then the outcomes are:
      | request | outcome                       |
      | stores  | succeeded                     |
      | updates | succeeded                     |
      | deletes | succeeded or vector-not-found |
    And every acknowledged document is in both stores, and no refused one in either

    Examples:
      | moment                      |
      | before the first commit     |
      | on the way to Qdrant        |
      | on the way back from Qdrant |
      | before the last commit      |

  @key.crash-while-creating-collection
  Scenario Outline: A new collection is whole or absent after a crash of the gateway: held <moment>
    Given these requests are in flight, held <moment>:
      | actor     | request                          |
      | an editor | creates the collection "archive" |
    When the gateway crashes
    And the requests in flight go on
    Then the outcomes are:
      | outcome   |
      | no answer |
    When the gateway recovers
    Then within the convergence limit every document is in both stores or in neither
    When the same requests are made again
    Then the outcomes are:
      | outcome                        |
      | succeeded or collection-exists |
    And within the convergence limit every document is in both stores or in neither

    Examples:
      | moment                      |
      | before the first commit     |
      | on the way to Qdrant        |
      | on the way back from Qdrant |
      | before the last commit      |

  Scenario Outline: A deleted collection is whole or gone after a crash of the gateway: held <moment>
    Given these requests are in flight, held <moment>:
      | actor     | request                           |
      | an editor | deletes the collection "handbook" |
    When the gateway crashes
    And the requests in flight go on
    Then the outcomes are:
      | outcome   |
      | no answer |
    When the gateway recovers
    Then within the convergence limit every document is in both stores or in neither
    When the same requests are made again
    Then the outcomes are:
      | outcome                           |
      | succeeded or collection-not-found |
    And neither Qdrant nor PostgreSQL holds the collection "handbook"

    Examples:
      | moment                      |
      | before the first commit     |
      | on the way to Qdrant        |
      | on the way back from Qdrant |
      | before the last commit      |
