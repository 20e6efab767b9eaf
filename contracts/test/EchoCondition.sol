// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A condition that says what the evidence tells it to say
contract EchoCondition {
    /// @param parameters A number of words of memory that the answer takes
    /// @param evidence The answer, of any size up to 256 bits; nothing for 0
    /// @return due The answer as it is
    function amountDue(
        bytes32,
        uint128,
        bytes calldata parameters,
        bytes calldata evidence
    ) external pure returns (uint256 due) {
        uint256 size = abi.decode(parameters, (uint256)) * 32;
        assembly ("memory-safe") {
            // Never so that far out; but a load alone would be optimised away.
            if and(gt(size, 0), gt(mload(add(mload(0x40), size)), 0)) {
                invalid()
            }
        }
        return evidence.length == 0 ? 0 : abi.decode(evidence, (uint256));
    }
}
