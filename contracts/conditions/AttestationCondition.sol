// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {ICondition} from "../interfaces/ICondition.sol";
import {KthLargest} from "../libraries/KthLargest.sol";

/// @title Due as far as k of n evaluators say
/// @notice Evaluators sign what a deliverable is worth; due is the k-th highest amount. Plain keys only: ECDSA, 65 bytes, low
/// `s`, `v` 27 or 28.
///
/// Parameters: `abi.encode(address[] evaluators, uint8 threshold, bytes32 specHash, uint64 judgeBy)`.
/// Evidence: `abi.encode(bytes32 deliverableHash, Attestation[] attestations)`.
///
/// An attestation counts if its verdict, `Verdict(bytes32 paymentId,bytes32 specHash,bytes32 deliverableHash,uint128
/// amount,uint64 issuedAt)` in the EIP-712 domain "subfen AttestationCondition", "1", is signed by the evaluator at its
/// index and was issued by `judgeBy`, the last second included. Any other is passed over, so that it cannot lower what good
/// ones prove. An evaluator counts once, with its highest verdict.
///
/// Warning: `judgeBy` stops late evaluators, not dishonest ones, who can date a verdict as they like. A key listed twice
/// counts twice.
contract AttestationCondition is ICondition, IERC5267 {
    /// @param evaluator Index into the parameters' evaluators
    /// @param amount What the evaluator says is due, in base units
    /// @param issuedAt When it said so, Unix time in seconds
    /// @param signature The verdict's signature
    struct Attestation {
        uint8 evaluator;
        uint128 amount;
        uint64 issuedAt;
        bytes signature;
    }

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    string private constant NAME = "subfen AttestationCondition";
    string private constant VERSION = "1";
    bytes32 private constant VERDICT_TYPEHASH = keccak256(
        "Verdict(bytes32 paymentId,bytes32 specHash,bytes32 deliverableHash,uint128 amount,uint64 issuedAt)"
    );

    /// @inheritdoc ICondition
    function amountDue(
        bytes32 paymentId,
        uint128 amount,
        bytes calldata parameters,
        bytes calldata evidence
    ) external view returns (uint128 due) {
        (address[] memory evaluators, uint8 threshold, bytes32 specHash, uint64 judgeBy) = abi.decode(
            parameters,
            (address[], uint8, bytes32, uint64)
        );
        uint256[] memory amounts = _read(paymentId, evaluators, specHash, judgeBy, evidence);
        return KthLargest.select(amounts, threshold, amount);
    }

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", NAME, VERSION, block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    /// What each evaluator says. One that is silent says 0.
    function _read(
        bytes32 paymentId,
        address[] memory evaluators,
        bytes32 specHash,
        uint64 judgeBy,
        bytes calldata evidence
    ) private view returns (uint256[] memory amounts) {
        (bytes32 deliverableHash, Attestation[] memory attestations) = abi.decode(evidence, (bytes32, Attestation[]));
        amounts = new uint256[](evaluators.length);
        for (uint256 i = 0; i < attestations.length; ++i) {
            Attestation memory attestation = attestations[i];
            uint256 index = attestation.evaluator;
            if (index >= evaluators.length || attestation.issuedAt > judgeBy) continue;
            if (attestation.amount <= amounts[index]) continue;
            address signer = _signer(paymentId, specHash, deliverableHash, attestation);
            // A signature that is none recovers the zero address.
            if (signer != address(0) && signer == evaluators[index]) amounts[index] = attestation.amount;
        }
    }

    function _signer(
        bytes32 paymentId,
        bytes32 specHash,
        bytes32 deliverableHash,
        Attestation memory attestation
    ) private view returns (address signer) {
        (uint128 amount, uint64 issuedAt) = (attestation.amount, attestation.issuedAt);
        bytes32 structHash = keccak256(
            abi.encode(VERDICT_TYPEHASH, paymentId, specHash, deliverableHash, amount, issuedAt)
        );
        bytes32 digest = MessageHashUtils.toTypedDataHash(_domainSeparator(), structHash);
        (signer, , ) = ECDSA.tryRecover(digest, attestation.signature);
    }

    /// Computed and not kept as an immutable: so this contract's code is the same everywhere, and who knows the code knows
    /// the domain.
    function _domainSeparator() private view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    DOMAIN_TYPEHASH,
                    keccak256(bytes(NAME)),
                    keccak256(bytes(VERSION)),
                    block.chainid,
                    address(this)
                )
            );
    }
}
