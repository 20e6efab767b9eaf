// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ICondition} from "./interfaces/ICondition.sol";
import {ITaskEscrow} from "./interfaces/ITaskEscrow.sol";
import {Conditions} from "./libraries/Conditions.sol";
import {TokenCustody} from "./libraries/TokenCustody.sol";

/// @title TaskEscrow
/// @notice Everything a caller must know is told in ITaskEscrow.
contract TaskEscrow is ITaskEscrow, EIP712, TokenCustody {
    uint256 private constant MAX_DURATION = 365 days;

    bytes32 private constant RELEASE_TYPEHASH = keccak256(
        "Release(bytes32 taskId,uint128 cumulativeAmount,uint64 deadline)"
    );
    bytes32 private constant REFUND_TYPEHASH = keccak256("Refund(bytes32 taskId,uint64 deadline)");

    mapping(bytes32 taskId => TaskState) private _tasks;

    constructor() EIP712("subfen TaskEscrow", "1") {}

    /* FUNDING */

    /// @inheritdoc ITaskEscrow
    function fund(Task calldata task) external nonReentrant returns (bytes32 taskId) {
        _requireClient(task);
        taskId = _fund(task);
        _pullByAllowance(task.token, task.amount);
    }

    /// @inheritdoc ITaskEscrow
    function fundWithAuthorization(
        Task calldata task,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 taskId) {
        taskId = _fund(task);
        _pullByAuthorization(task.token, task.client, task.amount, validAfter, validBefore, taskId, signature);
    }

    /// @inheritdoc ITaskEscrow
    function fundBatch(Task[] calldata tasks) external nonReentrant returns (bytes32[] memory taskIds) {
        taskIds = new bytes32[](tasks.length);
        for (uint256 i = 0; i < tasks.length; ++i) {
            _requireClient(tasks[i]);
            taskIds[i] = _fund(tasks[i]);
        }

        uint256 total = 0;
        for (uint256 i = 0; i < tasks.length; ++i) {
            total += tasks[i].amount;
            if (i + 1 < tasks.length && tasks[i + 1].token == tasks[i].token) continue;
            _pullByAllowance(tasks[i].token, total);
            total = 0;
        }
    }

    function _fund(Task calldata task) private returns (bytes32 taskId) {
        if (task.amount == 0) revert ZeroAmount();
        if (task.amount > type(uint104).max) revert AmountOverflow(task.amount, type(uint104).max);
        if (task.provider == address(0) || task.provider == address(this)) revert InvalidProvider(task.provider);
        if (task.deadline < block.timestamp || task.deadline > block.timestamp + MAX_DURATION) {
            revert InvalidDeadline(task.deadline, block.timestamp, block.timestamp + MAX_DURATION);
        }
        taskId = _taskId(task);
        TaskState storage state = _tasks[taskId];
        if (state.funded != 0) revert TaskAlreadyExists(taskId);

        state.funded = uint104(task.amount);
        emit TaskFunded(
            taskId,
            task.client,
            task.provider,
            task.token,
            task.amount,
            task.condition,
            task.parametersHash,
            task.deadline,
            task.salt
        );
    }

    /* RELEASING */

    /// @inheritdoc ITaskEscrow
    function release(Task calldata task, uint128 cumulativeAmount) external nonReentrant {
        _requireClient(task);
        bytes32 taskId = _taskId(task);
        _release(task, taskId, _requireOpen(taskId), cumulativeAmount);
    }

    /// @inheritdoc ITaskEscrow
    function releaseWithAuthorization(
        Task calldata task,
        uint128 cumulativeAmount,
        uint64 deadline,
        bytes calldata clientSignature
    ) external nonReentrant {
        _requireBefore(deadline);
        bytes32 taskId = _taskId(task);
        bytes32 structHash = keccak256(abi.encode(RELEASE_TYPEHASH, taskId, cumulativeAmount, deadline));
        _requireSignature(task.client, _hashTypedDataV4(structHash), clientSignature);
        _release(task, taskId, _requireOpen(taskId), cumulativeAmount);
    }

    /// @inheritdoc ITaskEscrow
    function claim(Task calldata task, bytes calldata parameters, bytes calldata evidence) external nonReentrant {
        bytes32 taskId = _taskId(task);
        TaskState memory state = _requireOpen(taskId);
        if (block.timestamp > task.deadline) revert DeadlinePassed(task.deadline);
        bytes32 parametersHash = keccak256(parameters);
        if (parametersHash != task.parametersHash) revert ParametersMismatch(parametersHash, task.parametersHash);

        uint256 due = Conditions.amountDue(
            task.condition,
            task.amount,
            abi.encodeCall(ICondition.amountDue, (taskId, task.amount, parameters, evidence))
        );
        _release(task, taskId, state, due);
    }

    function _release(Task calldata task, bytes32 taskId, TaskState memory state, uint256 cumulativeAmount) private {
        uint256 growth = _growth(cumulativeAmount, state.released, state.funded);

        state.released = uint104(cumulativeAmount);
        state.closed = cumulativeAmount == state.funded;
        _tasks[taskId] = state;
        emit TaskReleased(taskId, cumulativeAmount);

        _payOut(task.token, task.provider, growth);
    }

    /// What a release adds: something, and at most to what was funded.
    function _growth(uint256 amount, uint256 released, uint256 funded) private pure returns (uint256) {
        if (amount > funded) revert AmountExceedsFunded(amount, funded);
        if (amount <= released) revert ReleaseNotIncreasing(amount, released);
        return amount - released;
    }

    /* REFUNDING */

    /// @inheritdoc ITaskEscrow
    function refund(Task calldata task) external nonReentrant {
        if (msg.sender != task.provider && block.timestamp <= task.deadline) {
            revert NotProvider(msg.sender, task.provider, task.deadline);
        }
        _refund(task, _taskId(task));
    }

    /// @inheritdoc ITaskEscrow
    function refundWithAuthorization(
        Task calldata task,
        uint64 deadline,
        bytes calldata providerSignature
    ) external nonReentrant {
        _requireBefore(deadline);
        bytes32 taskId = _taskId(task);
        bytes32 structHash = keccak256(abi.encode(REFUND_TYPEHASH, taskId, deadline));
        _requireSignature(task.provider, _hashTypedDataV4(structHash), providerSignature);
        _refund(task, taskId);
    }

    function _refund(Task calldata task, bytes32 taskId) private {
        TaskState memory state = _requireOpen(taskId);

        uint256 refunded = state.funded - state.released;
        state.closed = true;
        _tasks[taskId] = state;
        emit TaskRefunded(taskId, refunded);

        _payOut(task.token, task.client, refunded);
    }

    /* VIEWS */

    /// @inheritdoc ITaskEscrow
    function getTask(bytes32 taskId) external view returns (TaskState memory state) {
        return _tasks[taskId];
    }

    /// @inheritdoc ITaskEscrow
    function computeTaskId(Task calldata task) external view returns (bytes32) {
        return _taskId(task);
    }

    /* CHECKS AND HASHES */

    function _requireClient(Task calldata task) private view {
        if (msg.sender != task.client) revert NotClient(msg.sender, task.client);
    }

    function _requireOpen(bytes32 taskId) private view returns (TaskState memory state) {
        state = _tasks[taskId];
        if (state.funded == 0) revert TaskNotFound(taskId);
        if (state.closed) revert TaskAlreadyClosed(taskId);
    }

    /// `keccak256(abi.encode(task, address(this), block.chainid))`, without looking at each field. Funding reads them all, so
    /// a task with set bits beside an address or a number cannot be funded, and everything else finds no such task.
    function _taskId(Task calldata task) private view returns (bytes32 taskId) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, task, 0x100)
            mstore(add(free, 0x100), address())
            mstore(add(free, 0x120), chainid())
            taskId := keccak256(free, 0x140)
        }
    }
}
