Feature: Random requests keep the contract
  All other scenarios ask what somebody had in mind. Random requests, made from the contract
  alone, ask the rest: none may crash the platform or be answered otherwise than documented.

  @slow @not.with_mode=deployed @key.random-requests-keep-contract
  Scenario: No random request gets an answer that breaks the contract
    When random requests to a platform of their own are tried
    Then at least 300 of them were tried and none deviates from what is expected
