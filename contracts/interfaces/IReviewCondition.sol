// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ICondition} from "./ICondition.sol";

/// @title Due once delivered work was reviewed, or was not reviewed in time
/// @notice For the escrow. The provider submits; the reviewer may object within the review period; the arbiter may then,
/// within the arbitration period, name an amount, once. A silent reviewer pays everything; a silent arbiter pays everything
/// or nothing, as the parameters say. So delivered work is never free, and no silent judge holds money.
///
/// Parameters: `abi.encode(address provider, address reviewer, address arbiter, uint64 reviewPeriod, uint64
/// arbitrationPeriod, uint64 deadline, bool silentArbiterPays)`: times in seconds, `deadline` in Unix time. Evidence: none;
/// it is not looked at. Malformed parameters revert without a reason.
///
/// What happened is kept under the payment's id and the hash of the parameters: nobody who is not named in the agreed
/// parameters can have a say. Periods include their last second.
///
/// Warning: that `deadline` is the task's own is for the provider to check before it works. Whether the task is funded is
/// not known here: a provider that holds the client's authorization to fund could submit first and fund once the review
/// period is over. A client funds such tasks itself, or signs an authorization that ends within the review period.
interface IReviewCondition is ICondition {
    /// @notice What was agreed.
    /// @param provider Delivers, and submits
    /// @param reviewer May object; need not be the client
    /// @param arbiter Decides an objection
    /// @param reviewPeriod Seconds for an objection after the submission
    /// @param arbitrationPeriod Seconds for a decision after the objection
    /// @param deadline The task's deadline: what is due must be claimed by then
    /// @param silentArbiterPays What is due when the arbiter names nothing: everything, or nothing
    struct Parameters {
        address provider;
        address reviewer;
        address arbiter;
        uint64 reviewPeriod;
        uint64 arbitrationPeriod;
        uint64 deadline;
        bool silentArbiterPays;
    }

    /// @notice What happened so far: one slot.
    /// @param submittedAt When the provider submitted; 0 before
    /// @param objectedAt When the reviewer objected; 0 if it did not
    /// @param arbitrated True once the arbiter decided
    /// @param amount What the arbiter said is due, in base units
    struct Review {
        uint40 submittedAt;
        uint40 objectedAt;
        bool arbitrated;
        uint128 amount;
    }

    /// @notice The provider delivered; the reviewer may object up to `reviewUntil`.
    event WorkSubmitted(
        bytes32 indexed paymentId,
        bytes32 indexed parametersHash,
        bytes32 deliverableHash,
        uint256 reviewUntil
    );
    /// @notice The reviewer objected; the arbiter may decide up to `arbitrationUntil`.
    event WorkObjected(
        bytes32 indexed paymentId,
        bytes32 indexed parametersHash,
        bytes32 reasonHash,
        uint256 arbitrationUntil
    );
    /// @notice The arbiter decided that `amount` is due.
    event ObjectionArbitrated(bytes32 indexed paymentId, bytes32 indexed parametersHash, uint256 amount);

    /// @notice Only the provider may submit.
    error NotProvider(address caller, address provider);
    /// @notice Only the reviewer may object.
    error NotReviewer(address caller, address reviewer);
    /// @notice Only the arbiter may decide.
    error NotArbiter(address caller, address arbiter);
    /// @notice Review, arbitration and the time to claim would end after the deadline.
    error SubmittedTooLate(uint256 claimableUntil, uint256 deadline);
    /// @notice The work was submitted before.
    error AlreadySubmitted(bytes32 paymentId);
    /// @notice Nothing was submitted.
    error NotSubmitted(bytes32 paymentId);
    /// @notice The reviewer objected before.
    error AlreadyObjected(bytes32 paymentId);
    /// @notice The review period ended at `reviewUntil`.
    error ReviewEnded(uint256 reviewUntil);
    /// @notice Nobody objected.
    error NotObjected(bytes32 paymentId);
    /// @notice The arbiter decided before.
    error AlreadyArbitrated(bytes32 paymentId);
    /// @notice The arbitration period ended at `arbitrationUntil`.
    error ArbitrationEnded(uint256 arbitrationUntil);

    /// @notice The provider says that it delivered. Once only. Refused unless review, arbitration and a day to claim end by
    /// the deadline.
    /// @param paymentId The task's id
    /// @param parameters The encoded parameters
    /// @param deliverableHash Digest of what was delivered
    /// @dev Errors: NotProvider, AlreadySubmitted, SubmittedTooLate.
    function submit(bytes32 paymentId, bytes calldata parameters, bytes32 deliverableHash) external;

    /// @notice The reviewer objects, within the review period.
    /// @param paymentId The task's id
    /// @param parameters The encoded parameters
    /// @param reasonHash Digest of why
    /// @dev Errors: NotReviewer, NotSubmitted, AlreadyObjected, ReviewEnded.
    function object(bytes32 paymentId, bytes calldata parameters, bytes32 reasonHash) external;

    /// @notice The arbiter names what is due, within the arbitration period, once.
    /// @param paymentId The task's id
    /// @param parameters The encoded parameters
    /// @param amount Base units; above the task's amount it counts as that
    /// @dev Errors: NotArbiter, NotObjected, AlreadyArbitrated, ArbitrationEnded.
    function arbitrate(bytes32 paymentId, bytes calldata parameters, uint128 amount) external;

    /// @param paymentId The task's id
    /// @param parametersHash keccak256 of the encoded parameters
    /// @return review What happened so far; all zeros before the submission
    function getReview(bytes32 paymentId, bytes32 parametersHash) external view returns (Review memory review);
}
