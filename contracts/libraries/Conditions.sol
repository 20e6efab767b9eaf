// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title One rule for asking a condition
library Conditions {
    /// @notice What a condition says is due, at most `amount`. Whatever the condition does, this reverts for lack of gas
    /// alone, and copies no more than 32 bytes back.
    /// @param condition The contract asked; one without code says nothing, since a precompile would answer anything
    /// @param amount The most that can be due, in base units
    /// @param question The encoded call of ICondition.amountDue
    /// @return due Base units; 0 where the condition has no code, reverts or returns less than 32 bytes
    function amountDue(address condition, uint128 amount, bytes memory question) internal view returns (uint256 due) {
        assembly ("memory-safe") {
            if extcodesize(condition) {
                let success := staticcall(gas(), condition, add(question, 0x20), mload(question), 0x00, 0x20)
                if and(success, gt(returndatasize(), 0x1f)) {
                    due := mload(0x00)
                }
            }
        }
        if (due > amount) due = amount;
    }
}
