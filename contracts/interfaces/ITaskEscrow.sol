// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ITokenCustody} from "./ITokenCustody.sol";

/// @title Money for a task, released by success, refunded otherwise
/// @notice A client locks an amount for one provider under one condition. It is released by the client itself or by
/// evidence that meets the condition; what is not released by the deadline goes back.
///
/// Every amount is in base units of the task's token, every time in seconds of Unix time. Deadlines include their last
/// second: up to it evidence counts, after it anyone may refund.
///
/// Tokens and signatures: as in IPaymentChannels. A condition is asked by `claim` alone, so one that misbehaves can block
/// neither a release nor a refund.
interface ITaskEscrow is ITokenCustody {
    /// @notice What a task is about. Never stored: its hash is the task's id, and callers pass it along.
    /// @param client Pays; gets what is not released
    /// @param provider Is paid
    /// @param token The ERC-20 token
    /// @param amount Base units locked for the task
    /// @param condition The ICondition that says how much is due
    /// @param parametersHash keccak256 of the condition's parameters
    /// @param deadline Last second at which evidence counts; at most 365 days away when funded
    /// @param salt Entropy; a task's id never opens again
    // solhint-disable-next-line gas-struct-packing
    struct Task {
        address client;
        address provider;
        address token;
        uint128 amount;
        address condition;
        bytes32 parametersHash;
        uint64 deadline;
        bytes32 salt;
    }

    /// @notice What is stored of a task: one slot.
    /// @param funded The task's amount; 0 before it is funded
    /// @param released The total paid to the provider so far; never decreases
    /// @param closed True for good once everything is released or the rest is refunded
    struct TaskState {
        uint104 funded;
        uint104 released;
        bool closed;
    }

    /// @notice A task was funded. Carries all its terms.
    event TaskFunded(
        bytes32 indexed taskId,
        address indexed client,
        address indexed provider,
        address token,
        uint256 amount,
        address condition,
        bytes32 parametersHash,
        uint256 deadline,
        bytes32 salt
    );
    /// @notice The provider has got `released` in all; the task is closed if that is its amount.
    event TaskReleased(bytes32 indexed taskId, uint256 released);
    /// @notice The task was closed and `refunded` went back to the client.
    event TaskRefunded(bytes32 indexed taskId, uint256 refunded);

    /// @notice A task's amount must be positive.
    error ZeroAmount();
    /// @notice The amount is larger than a task can hold.
    error AmountOverflow(uint256 amount, uint256 maximum);
    /// @notice The provider is the zero address or this contract: neither could ever be paid.
    error InvalidProvider(address provider);
    /// @notice The deadline has passed, or is more than 365 days away.
    error InvalidDeadline(uint256 deadline, uint256 earliest, uint256 latest);
    /// @notice A task with these terms exists, or existed.
    error TaskAlreadyExists(bytes32 taskId);
    /// @notice No task has this id.
    error TaskNotFound(bytes32 taskId);
    /// @notice The task is closed for good.
    error TaskAlreadyClosed(bytes32 taskId);
    /// @notice Only the task's client may do this.
    error NotClient(address caller, address client);
    /// @notice Before the deadline has passed only the provider may refund.
    error NotProvider(address caller, address provider, uint256 deadline);
    /// @notice The deadline has passed: evidence no longer counts.
    error DeadlinePassed(uint256 deadline);
    /// @notice The parameters are not those of the task.
    error ParametersMismatch(bytes32 parametersHash, bytes32 expected);
    /// @notice The amount releases nothing beyond what is released.
    error ReleaseNotIncreasing(uint256 amount, uint256 released);
    /// @notice The amount is above the task's.
    error AmountExceedsFunded(uint256 amount, uint256 funded);

    /// @notice Funds a task; the caller is the client. Needs an allowance of the amount to this contract.
    /// @param task The task
    /// @return taskId Its id
    /// @dev Errors: NotClient, ZeroAmount, AmountOverflow, InvalidProvider, InvalidDeadline, TaskAlreadyExists,
    /// InvalidToken, UnexpectedTransferAmount, or the token's own.
    function fund(Task calldata task) external returns (bytes32 taskId);

    /// @notice Funds a task by the client's EIP-3009 authorization. Anyone may send it: its nonce is the task's id, so
    /// nobody can change a term.
    /// @param task The task
    /// @param validAfter The authorization is good after this time
    /// @param validBefore The authorization is good before this time
    /// @param signature The signature of the client's ReceiveWithAuthorization
    /// @return taskId Its id
    /// @dev Errors: those of `fund` without NotClient.
    function fundWithAuthorization(
        Task calldata task,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external returns (bytes32 taskId);

    /// @notice Funds many tasks, milestones for example, all or none. The caller is the client of each. Tasks of one token
    /// that follow one another are paid by one transfer.
    /// @param tasks The tasks
    /// @return taskIds Their ids in the same order
    /// @dev Errors: those of `fund`.
    function fundBatch(Task[] calldata tasks) external returns (bytes32[] memory taskIds);

    /// @notice Pays the provider up to `cumulativeAmount` in all, whatever the condition says. Only the client, at any
    /// time until the task is closed.
    /// @param task The task
    /// @param cumulativeAmount The total released once this is done
    /// @dev Errors: NotClient, TaskNotFound, TaskAlreadyClosed, AmountExceedsFunded, ReleaseNotIncreasing,
    /// InsufficientPayoutGas.
    function release(Task calldata task, uint128 cumulativeAmount) external;

    /// @notice As `release`, sent by anyone with the client's signature.
    /// @param task The task
    /// @param cumulativeAmount The total released once this is done
    /// @param deadline Last second at which this may be sent
    /// @param clientSignature The client's Release(taskId, cumulativeAmount, deadline)
    /// @dev Errors: AuthorizationExpired, InvalidSignature, and those of `release` without NotClient.
    function releaseWithAuthorization(
        Task calldata task,
        uint128 cumulativeAmount,
        uint64 deadline,
        bytes calldata clientSignature
    ) external;

    /// @notice Pays the provider up to what the condition says is due by this evidence. Anyone, up to the deadline.
    /// @param task The task
    /// @param parameters The condition's parameters
    /// @param evidence What meets it
    /// @dev Errors: TaskNotFound, TaskAlreadyClosed, DeadlinePassed, ParametersMismatch, ReleaseNotIncreasing,
    /// InsufficientPayoutGas.
    function claim(Task calldata task, bytes calldata parameters, bytes calldata evidence) external;

    /// @notice Gives the client back what is not released, and closes the task. The provider at any time, anyone after
    /// the deadline.
    /// @param task The task
    /// @dev Errors: TaskNotFound, TaskAlreadyClosed, NotProvider, InsufficientPayoutGas.
    function refund(Task calldata task) external;

    /// @notice As `refund`, sent by anyone with the provider's signature.
    /// @param task The task
    /// @param deadline Last second at which this may be sent
    /// @param providerSignature The provider's Refund(taskId, deadline)
    /// @dev Errors: AuthorizationExpired, InvalidSignature, and those of `refund` without NotProvider.
    function refundWithAuthorization(Task calldata task, uint64 deadline, bytes calldata providerSignature) external;

    /// @param taskId The task
    /// @return state Its state; all zeros when there is no such task
    function getTask(bytes32 taskId) external view returns (TaskState memory state);

    /// @param task The task
    /// @return `keccak256(abi.encode(client, provider, token, amount, condition, parametersHash, deadline, salt,
    /// address(this), block.chainid))`
    function computeTaskId(Task calldata task) external view returns (bytes32);
}
