Feature: What nobody thought of
  All other scenarios ask what somebody had in mind. Random requests, made from the contract
  alone, ask the rest: none may crash the platform or be answered otherwise than documented.

  @slow @not.with_mode=deployed @key.random-requests-keep-contract
  Scenario: Random requests find no answer that breaks the contract
    When a platform of its own is asked at random, with the seed of the run
    Then no operation was left out of at least 300 requests
    And no answer has broken the contract and the stores agree
