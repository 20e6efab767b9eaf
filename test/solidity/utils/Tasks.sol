// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AttestationCondition} from "../../../contracts/conditions/AttestationCondition.sol";
import {ITaskEscrow} from "../../../contracts/interfaces/ITaskEscrow.sol";
import {Test} from "./Test.sol";

/// @notice Ids, digests and signatures of tasks and verdicts, written a second time, as Statements has those of channels.
abstract contract Tasks is Test {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant VERDICT_TYPEHASH = keccak256(
        "Verdict(bytes32 paymentId,bytes32 specHash,bytes32 deliverableHash,uint128 amount,uint64 issuedAt)"
    );
    bytes32 internal constant RELEASE_TYPEHASH = keccak256(
        "Release(bytes32 taskId,uint128 cumulativeAmount,uint64 deadline)"
    );
    bytes32 internal constant REFUND_TYPEHASH = keccak256("Refund(bytes32 taskId,uint64 deadline)");
    bytes32 private constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    struct Verdict {
        bytes32 paymentId;
        bytes32 specHash;
        bytes32 deliverableHash;
        uint128 amount;
        uint64 issuedAt;
    }

    mapping(address account => uint256 privateKey) internal keys;

    function _newParty(string memory name) internal returns (address account) {
        uint256 key = uint256(keccak256(bytes(name)));
        account = vm.addr(key);
        keys[account] = key;
    }

    function _taskIdOf(ITaskEscrow.Task memory task, address escrow) internal view returns (bytes32) {
        bytes memory terms = abi.encode(task.client, task.provider, task.token, task.amount, task.condition);
        bytes memory rest = abi.encode(task.parametersHash, task.deadline, task.salt, escrow, block.chainid);
        return keccak256(bytes.concat(terms, rest));
    }

    function _signVerdict(
        address evaluator,
        address condition,
        Verdict memory verdict
    ) internal view returns (bytes memory) {
        return
            _sign(
                evaluator,
                _domain("subfen AttestationCondition", condition),
                keccak256(abi.encode(VERDICT_TYPEHASH, verdict))
            );
    }

    function _signRelease(
        address client,
        address escrow,
        bytes32 taskId,
        uint256 total,
        uint256 deadline
    ) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(abi.encode(RELEASE_TYPEHASH, taskId, total, deadline));
        return _sign(client, _domain("subfen TaskEscrow", escrow), structHash);
    }

    function _signRefund(
        address provider,
        address escrow,
        bytes32 taskId,
        uint256 deadline
    ) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(abi.encode(REFUND_TYPEHASH, taskId, deadline));
        return _sign(provider, _domain("subfen TaskEscrow", escrow), structHash);
    }

    function _signReceive(
        ITaskEscrow.Task memory task,
        address escrow,
        uint256 validBefore
    ) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(RECEIVE_TYPEHASH, task.client, escrow, task.amount, 0, validBefore, _taskIdOf(task, escrow))
        );
        return _sign(task.client, _domain("Gas Token", task.token), structHash);
    }

    function _domain(string memory name, address verifyingContract) private view returns (bytes32) {
        return
            keccak256(
                abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256("1"), block.chainid, verifyingContract)
            );
    }

    function _sign(address signer, bytes32 domain, bytes32 structHash) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            keys[signer],
            keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
        return abi.encodePacked(r, s, v);
    }

    /// @notice The k-th largest by its meaning, not by sorting: the highest value that `k` of them reach.
    function _reachedBy(uint256[] memory values, uint256 k) internal pure returns (uint256 best) {
        if (k == 0) return 0;
        for (uint256 i = 0; i < values.length; ++i) {
            uint256 reach = 0;
            for (uint256 j = 0; j < values.length; ++j) if (values[j] >= values[i]) ++reach;
            if (reach >= k && values[i] > best) best = values[i];
        }
    }

    function _attestation(
        uint256 evaluator,
        uint128 amount,
        uint64 issuedAt,
        bytes memory signature
    ) internal pure returns (AttestationCondition.Attestation memory) {
        return AttestationCondition.Attestation(uint8(evaluator), amount, issuedAt, signature);
    }
}
