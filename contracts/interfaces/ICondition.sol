// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title A condition on a payment
/// @notice Says how much of a payment is due, by evidence. It must be monotone: evidence that was good once stays good,
/// and more evidence never lowers what is due. Whoever is paid under a condition relies on that, so conditions are
/// accepted by their code.
///
/// Callers use a static call. A value above `amount` counts as `amount`; no code, a revert and less than 32 bytes count as
/// nothing due.
interface ICondition {
    /// @notice How much of one payment is due.
    /// @param paymentId Computed by the caller, so that evidence for one payment is worth nothing for another:
    /// `keccak256(abi.encode(channelId, ref))` in a channel, the task's id in the escrow
    /// @param amount The most that can be due, in base units
    /// @param parameters What was agreed, in the condition's own encoding
    /// @param evidence What is to prove that it was met, in the condition's own encoding
    /// @return due Base units owed for `paymentId`; never falls with time or with more evidence
    function amountDue(
        bytes32 paymentId,
        uint128 amount,
        bytes calldata parameters,
        bytes calldata evidence
    ) external view returns (uint128 due);
}
