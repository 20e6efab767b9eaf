// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICondition} from "../interfaces/ICondition.sol";

/// @title Due once the preimage of a SHA-256 hash is known
/// @notice The hash of Lightning's and Raiden's payments, for swaps across chains: with the escrow's deadlines on both sides.
///
/// Parameters: `abi.encode(bytes32 sha256Hash)`. Evidence: `abi.encode(bytes32 preimage)`.
///
/// Warning: a preimage is not tied to a payment: one who learns it can use it for every payment under the same hash. In a
/// channel it binds the payer until the close, so a payment must never be forwarded by it.
contract HashlockCondition is ICondition {
    /// @inheritdoc ICondition
    function amountDue(
        bytes32,
        uint128 amount,
        bytes calldata parameters,
        bytes calldata evidence
    ) external pure returns (uint128 due) {
        bytes32 sha256Hash = abi.decode(parameters, (bytes32));
        bytes32 preimage = abi.decode(evidence, (bytes32));
        return sha256(abi.encode(preimage)) == sha256Hash ? amount : 0;
    }
}
