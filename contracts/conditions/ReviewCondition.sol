// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICondition} from "../interfaces/ICondition.sol";
import {IReviewCondition} from "../interfaces/IReviewCondition.sol";

/// @title ReviewCondition
/// @notice Everything a caller must know is told in IReviewCondition.
contract ReviewCondition is IReviewCondition {
    uint256 private constant CLAIM_PERIOD = 1 days;

    mapping(bytes32 paymentId => mapping(bytes32 parametersHash => Review)) private _reviews;

    /// @inheritdoc IReviewCondition
    function submit(bytes32 paymentId, bytes calldata parameters, bytes32 deliverableHash) external {
        (Parameters memory agreed, bytes32 parametersHash) = _read(parameters);
        if (msg.sender != agreed.provider) revert NotProvider(msg.sender, agreed.provider);
        Review storage review = _reviews[paymentId][parametersHash];
        if (review.submittedAt != 0) revert AlreadySubmitted(paymentId);
        uint256 reviewUntil = block.timestamp + agreed.reviewPeriod;
        uint256 claimableUntil = reviewUntil + agreed.arbitrationPeriod + CLAIM_PERIOD;
        if (claimableUntil > agreed.deadline) revert SubmittedTooLate(claimableUntil, agreed.deadline);

        review.submittedAt = uint40(block.timestamp);
        emit WorkSubmitted(paymentId, parametersHash, deliverableHash, reviewUntil);
    }

    /// @inheritdoc IReviewCondition
    function object(bytes32 paymentId, bytes calldata parameters, bytes32 reasonHash) external {
        (Parameters memory agreed, bytes32 parametersHash) = _read(parameters);
        if (msg.sender != agreed.reviewer) revert NotReviewer(msg.sender, agreed.reviewer);
        Review storage review = _reviews[paymentId][parametersHash];
        if (review.submittedAt == 0) revert NotSubmitted(paymentId);
        if (review.objectedAt != 0) revert AlreadyObjected(paymentId);
        uint256 reviewUntil = uint256(review.submittedAt) + agreed.reviewPeriod;
        if (block.timestamp > reviewUntil) revert ReviewEnded(reviewUntil);

        review.objectedAt = uint40(block.timestamp);
        emit WorkObjected(paymentId, parametersHash, reasonHash, block.timestamp + agreed.arbitrationPeriod);
    }

    /// @inheritdoc IReviewCondition
    function arbitrate(bytes32 paymentId, bytes calldata parameters, uint128 amount) external {
        (Parameters memory agreed, bytes32 parametersHash) = _read(parameters);
        if (msg.sender != agreed.arbiter) revert NotArbiter(msg.sender, agreed.arbiter);
        Review storage review = _reviews[paymentId][parametersHash];
        if (review.objectedAt == 0) revert NotObjected(paymentId);
        if (review.arbitrated) revert AlreadyArbitrated(paymentId);
        uint256 arbitrationUntil = uint256(review.objectedAt) + agreed.arbitrationPeriod;
        if (block.timestamp > arbitrationUntil) revert ArbitrationEnded(arbitrationUntil);

        (review.arbitrated, review.amount) = (true, amount);
        emit ObjectionArbitrated(paymentId, parametersHash, amount);
    }

    /// @inheritdoc ICondition
    function amountDue(
        bytes32 paymentId,
        uint128 amount,
        bytes calldata parameters,
        bytes calldata
    ) external view returns (uint128 due) {
        (Parameters memory agreed, bytes32 parametersHash) = _read(parameters);
        Review memory review = _reviews[paymentId][parametersHash];
        if (review.submittedAt == 0) return 0;
        if (review.objectedAt == 0) {
            return block.timestamp > uint256(review.submittedAt) + agreed.reviewPeriod ? amount : 0;
        }
        if (review.arbitrated) return review.amount < amount ? review.amount : amount;
        bool isSilent = block.timestamp > uint256(review.objectedAt) + agreed.arbitrationPeriod;
        return isSilent && agreed.silentArbiterPays ? amount : 0;
    }

    /// @inheritdoc IReviewCondition
    function getReview(bytes32 paymentId, bytes32 parametersHash) external view returns (Review memory review) {
        return _reviews[paymentId][parametersHash];
    }

    function _read(bytes calldata parameters) private pure returns (Parameters memory agreed, bytes32 parametersHash) {
        return (abi.decode(parameters, (Parameters)), keccak256(parameters));
    }
}
