// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICondition} from "../interfaces/ICondition.sol";
import {Conditions} from "../libraries/Conditions.sol";

/// @title Asks a condition as the contracts that pay ask it
contract ConditionProbe {
    /// @param condition Who is asked
    /// @param paymentId About which payment
    /// @param amount The most that can be due, in base units
    /// @param parameters What was agreed
    /// @param evidence What is to prove it
    /// @return due Base units that count as due
    function amountDue(
        address condition,
        bytes32 paymentId,
        uint128 amount,
        bytes calldata parameters,
        bytes calldata evidence
    ) external view returns (uint256 due) {
        return
            Conditions.amountDue(
                condition,
                amount,
                abi.encodeCall(ICondition.amountDue, (paymentId, amount, parameters, evidence))
            );
    }
}
