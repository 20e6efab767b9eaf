// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICondition} from "../interfaces/ICondition.sol";
import {Conditions} from "../libraries/Conditions.sol";
import {KthLargest} from "../libraries/KthLargest.sol";

/// @title Due is the k-th largest of what other conditions say
/// @notice All of them is the smallest, any of them the largest, the median in between. At most MAX_CHILDREN children,
/// which may be KthConditions themselves.
///
/// Parameters: `abi.encode(uint8 k, Child[] children)`; nothing is due with no k-th child or too many children.
/// Evidence: `abi.encode(bytes[] evidence)`, one for each child in order; where none is given, and where the evidence has no
/// bytes at all, children are asked with empty evidence. More than one for each child: nothing is due.
///
/// A child that cannot answer counts 0. One that burns gas leaves too little for those after it.
contract KthCondition is ICondition {
    /// @param condition An ICondition
    /// @param parameters Its parameters
    struct Child {
        address condition;
        bytes parameters;
    }

    /// @notice The most children.
    uint256 public constant MAX_CHILDREN = 8;

    /// @inheritdoc ICondition
    function amountDue(
        bytes32 paymentId,
        uint128 amount,
        bytes calldata parameters,
        bytes calldata evidence
    ) external view returns (uint128 due) {
        (uint8 k, Child[] memory children) = abi.decode(parameters, (uint8, Child[]));
        bytes[] memory given = evidence.length == 0 ? new bytes[](0) : abi.decode(evidence, (bytes[]));
        if (children.length > MAX_CHILDREN || given.length > children.length) return 0;

        uint256[] memory amounts = new uint256[](children.length);
        for (uint256 i = 0; i < children.length; ++i) {
            bytes memory childEvidence = i < given.length ? given[i] : bytes("");
            amounts[i] = Conditions.amountDue(
                children[i].condition,
                amount,
                abi.encodeCall(ICondition.amountDue, (paymentId, amount, children[i].parameters, childEvidence))
            );
        }
        return KthLargest.select(amounts, k, amount);
    }
}
