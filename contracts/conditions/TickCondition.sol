// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICondition} from "../interfaces/ICondition.sol";

/// @title Due by ticks of a hash chain
/// @notice The payer reveals x_1, x_2, ... up to x_n, each worth one tick more: a payment is 32 bytes and a hash. Each step
/// is salted with the payment's id, x_{i-1} = keccak256(x_i ++ paymentId), and x_0 is the root: so a tick is worth nothing
/// for another payment. For channels only, because a task's id depends on its parameters and so on the root.
///
/// Parameters: `abi.encode(bytes32 root, uint128 tickAmount, uint32 tickCount)`; above MAX_TICKS nothing is due.
/// Evidence: `abi.encode(uint32 n, bytes32 x)`, x the n-th value; due is `n * tickAmount`.
contract TickCondition is ICondition {
    /// @notice The longest chain: walking it costs about half a million gas.
    uint256 public constant MAX_TICKS = 10_000;

    /// @inheritdoc ICondition
    function amountDue(
        bytes32 paymentId,
        uint128 amount,
        bytes calldata parameters,
        bytes calldata evidence
    ) external pure returns (uint128 due) {
        (bytes32 root, uint128 tickAmount, uint32 tickCount) = abi.decode(parameters, (bytes32, uint128, uint32));
        (uint32 n, bytes32 x) = abi.decode(evidence, (uint32, bytes32));
        if (tickCount > MAX_TICKS || n > tickCount || _walk(paymentId, x, n) != root) return 0;

        // At most 10,000 times 2^128: no overflow.
        uint256 value = uint256(n) * tickAmount;
        return value < amount ? uint128(value) : amount;
    }

    /// Ten steps a turn, since the turn itself costs as much as a fifth of a step's hash.
    function _walk(bytes32 paymentId, bytes32 x, uint256 n) private pure returns (bytes32 reached) {
        assembly ("memory-safe") {
            mstore(0x00, x)
            mstore(0x20, paymentId)
            for {} gt(n, 9) {
                n := sub(n, 10)
            } {
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
                mstore(0x00, keccak256(0x00, 0x40))
            }
            for {} n {
                n := sub(n, 1)
            } {
                mstore(0x00, keccak256(0x00, 0x40))
            }
            reached := mload(0x00)
        }
    }
}
