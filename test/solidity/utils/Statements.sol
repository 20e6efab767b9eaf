// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../../../contracts/interfaces/IPaymentChannels.sol";
import {Test} from "./Test.sol";

/// @notice Ids, digests and signatures as docs/protocol.md tells them, written a second time: what the contract computes is
/// compared with these, never with itself.
abstract contract Statements is Test {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
    bytes32 internal constant SETTLE_TYPEHASH = keccak256(
        "SettleAuthorization(bytes32 channelId,uint128 cumulativeAmount,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant CLOSE_TYPEHASH = keccak256(
        "CloseAuthorization(bytes32 channelId,uint128 cumulativeAmount,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant CLOSE_REQUEST_TYPEHASH = keccak256("CloseRequest(bytes32 channelId,uint64 deadline)");
    bytes32 private constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    uint40 internal constant GRACE_PERIOD = 900;
    uint256 internal constant MAX_DEPOSIT = type(uint104).max;

    IPaymentChannels internal channels;
    mapping(address account => uint256 privateKey) internal keys;

    function _newParty(string memory name) internal returns (address account) {
        uint256 key = uint256(keccak256(bytes(name)));
        account = vm.addr(key);
        keys[account] = key;
    }

    function _idOf(IPaymentChannels.Terms memory terms) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    terms.payer,
                    terms.payee,
                    terms.token,
                    terms.salt,
                    terms.authorizedSigner,
                    address(channels),
                    block.chainid
                )
            );
    }

    function _signerOf(IPaymentChannels.Terms memory terms) internal pure returns (address) {
        return terms.authorizedSigner == address(0) ? terms.payer : terms.authorizedSigner;
    }

    /* WHAT IS SIGNED FOR THE CONTRACT */

    function _claimOf(
        IPaymentChannels.Terms memory terms,
        uint256 amount,
        uint256 cumulativeAmount
    ) internal view returns (IPaymentChannels.Claim memory) {
        bytes memory signature = _signVoucher(_signerOf(terms), _idOf(terms), cumulativeAmount);
        return IPaymentChannels.Claim(terms, uint128(amount), uint128(cumulativeAmount), signature);
    }

    function _batchClaimOf(
        IPaymentChannels.Claim memory claim
    ) internal pure returns (IPaymentChannels.BatchClaim memory) {
        (bytes32 r, bytes32 vs) = _compact(claim.signature);
        return
            IPaymentChannels.BatchClaim(
                claim.terms.payer,
                claim.terms.authorizedSigner,
                claim.terms.salt,
                claim.amount,
                claim.cumulativeAmount,
                r,
                vs
            );
    }

    function _signVoucher(
        address signer,
        bytes32 channelId,
        uint256 cumulativeAmount
    ) internal view returns (bytes memory) {
        return _sign(signer, keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, cumulativeAmount)));
    }

    /// @param typeHash Of a SettleAuthorization or a CloseAuthorization
    function _signAuthorization(
        address signer,
        bytes32 typeHash,
        bytes32 channelId,
        uint256 amount,
        uint256 nonce,
        uint256 deadline
    ) internal view returns (bytes memory) {
        return _sign(signer, keccak256(abi.encode(typeHash, channelId, amount, nonce, deadline)));
    }

    function _signCloseRequest(
        address signer,
        bytes32 channelId,
        uint256 deadline
    ) internal view returns (bytes memory) {
        return _sign(signer, keccak256(abi.encode(CLOSE_REQUEST_TYPEHASH, channelId, deadline)));
    }

    /* WHAT IS SIGNED FOR A TOKEN */

    function _openNonce(IPaymentChannels.Terms memory terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(terms.payer, terms.payee, terms.token, terms.salt, terms.authorizedSigner));
    }

    function _topUpNonce(
        IPaymentChannels.Terms memory terms,
        uint256 amount,
        address from,
        bytes32 topUpSalt
    ) internal view returns (bytes32) {
        return keccak256(abi.encode(_idOf(terms), amount, from, topUpSalt));
    }

    /// @notice Signs an EIP-3009 authorization to pay the contract.
    function _signReceive(
        address token,
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(RECEIVE_TYPEHASH, from, address(channels), amount, validAfter, validBefore, nonce)
        );
        return _signUnder(_domainOf("Gas Token", token, block.chainid), from, structHash);
    }

    /* SIGNING */

    function _domainOf(string memory name, address verifier, uint256 chainId) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256("1"), chainId, verifier));
    }

    function _sign(address signer, bytes32 structHash) internal view returns (bytes memory) {
        return _signUnder(_domainOf("EVM Payment Channel", address(channels), block.chainid), signer, structHash);
    }

    function _digestOf(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _signUnder(bytes32 domain, address signer, bytes32 structHash) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[signer], _digestOf(domain, structHash));
        return abi.encodePacked(r, s, v);
    }

    /// @notice The EIP-2098 form.
    function _compact(bytes memory signature) internal pure returns (bytes32 r, bytes32 vs) {
        (uint8 v, bytes32 s) = (uint8(signature[64]), 0);
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        vs = bytes32(uint256(s) | (uint256(v - 27) << 255));
    }
}
