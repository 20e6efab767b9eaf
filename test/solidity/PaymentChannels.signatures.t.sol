// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PaymentChannels} from "../../contracts/PaymentChannels.sol";
import {IPaymentChannels} from "../../contracts/interfaces/IPaymentChannels.sol";
import {ITokenCustody} from "../../contracts/interfaces/ITokenCustody.sol";
import {ERC1271Wallet} from "../../contracts/test/ERC1271Wallet.sol";
import {HostileSigner} from "../../contracts/test/HostileSigner.sol";
import {ChannelsTest} from "./utils/ChannelsTest.sol";

contract PaymentChannelsSignaturesTest is ChannelsTest {
    /* WHAT IS SIGNED */

    function testFuzz_computeChannelId_hashesEveryTerm(IPaymentChannels.Terms calldata terms, uint64 chainId) public {
        vm.chainId(bound(chainId, 1, type(uint64).max - 1));
        assertTrue(channels.computeChannelId(terms) == _idOf(terms), "id");
    }

    function testFuzz_getVoucherDigest_isThatOfEIP712(bytes32 channelId, uint128 amount, uint64 chainId) public {
        vm.chainId(bound(chainId, 1, type(uint64).max - 1));
        bytes32 domain = _domainOf("EVM Payment Channel", address(channels), block.chainid);
        bytes32 structHash = keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, amount));
        assertTrue(channels.domainSeparator() == domain, "domain");
        assertTrue(channels.getVoucherDigest(channelId, amount) == _digestOf(domain, structHash), "digest");
    }

    /* INV12: CODE ON A SIGNER */

    /// Every kind of signature of an account, made before it gained code, is as good as it was.
    function testFuzz_INV12_signaturesSurviveCode(uint256 amount, uint8 behaviour, uint8 use) public {
        amount = bound(amount, 1, 1000);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, amount);
        (address caller, bytes memory data) = _encodeUse(use % 7, claim);

        bytes memory code = _codeOf(behaviour % 6);
        vm.etch(payer, code);
        vm.etch(payee, code);
        vm.etch(signer, code);

        _send(caller, data);
        bool isRequest = use % 7 == 6;
        assertEq(_channel(terms).settled, isRequest ? 0 : amount, "settled");
        assertEq(blocklist.balanceOf(payee), isRequest ? 0 : amount, "paid");
        assertEq(_channel(terms).closeRequestedAt, isRequest ? block.timestamp : 0, "requested");
    }

    /// Where ECDSA fails, the code is asked, and its answer is what counts.
    function testFuzz_settle_asksASignerWithCode(uint256 amount, bool isYes, bytes32 digestSalt) public {
        amount = bound(amount, 1, 1000);
        address owner = isYes ? stranger : relayer;
        IPaymentChannels.Terms memory terms = _terms(uint256(digestSalt));
        terms.authorizedSigner = address(new ERC1271Wallet(stranger));
        _open(terms, 1000);
        bytes memory signature = _signVoucher(owner, _idOf(terms), amount);
        IPaymentChannels.Claim memory claim = IPaymentChannels.Claim(
            terms,
            uint128(amount),
            uint128(amount),
            signature
        );
        bytes memory data = abi.encodeCall(channels.settle, (claim));
        if (isYes) _send(payee, data);
        else {
            _expectRefusal(
                payee,
                data,
                abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, terms.authorizedSigner)
            );
        }
        // A batch takes keys only: one claim's wallet could burn the gas of all.
        (address caller, bytes memory batch) = _encodeSettle(Route.Batch, claim);
        vm.expectEmit();
        emit IPaymentChannels.ClaimSkipped(_idOf(terms), ITokenCustody.InvalidSignature.selector);
        _send(caller, batch);
    }

    function _encodeUse(
        uint256 use,
        IPaymentChannels.Claim memory claim
    ) private view returns (address caller, bytes memory data) {
        if (use < 4) return _encodeSettle(Route(use), claim);
        if (use < 6) return _encodeClose(use == 5, claim);
        bytes memory signature = _signCloseRequest(payer, _idOf(claim.terms), FOREVER);
        data = abi.encodeCall(channels.requestCloseWithAuthorization, (claim.terms, uint64(FOREVER), signature));
        return (relayer, data);
    }

    /// Code that refuses to know a signature in every way there is; the last one by EIP-7702's delegation.
    function _codeOf(uint256 kind) private returns (bytes memory) {
        if (kind == 0) return hex"5f5ffd";
        if (kind == 1) return hex"5f5ff3";
        if (kind < 5) return address(new HostileSigner(HostileSigner.Behaviour(kind - 2))).code;
        ERC1271Wallet wallet = new ERC1271Wallet(address(1));
        return abi.encodePacked(hex"ef0100", address(wallet));
    }

    /* INV13: NOWHERE ELSE */

    function testFuzz_INV13_voucherWorksForItsChannelOnly(uint256 amount, uint8 field, uint256 change) public {
        amount = bound(amount, 1, 1000);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        bytes memory signature = _signVoucher(signer, _idOf(terms), amount);

        // All that differs is one term, and the signer is the same one.
        IPaymentChannels.Terms memory other = _terms(1);
        if (field % 4 == 0) other.salt = bytes32(bound(change, 2, type(uint256).max));
        if (field % 4 == 1) other.payer = stranger;
        if (field % 4 == 2) other.payee = relayer;
        if (field % 4 == 3) other.token = address(token);
        _open(other, 1000);
        _expectNoCapture(other, amount, signature);
        assertEq(_channel(terms).settled, 0, "settled");
    }

    function testFuzz_INV13_signaturesWorkForTheirContractOnly(uint256 amount) public {
        amount = bound(amount, 1, 1000);
        IPaymentChannels.Terms memory terms = _terms(1);
        bytes32 firstId = _open(terms, 1000);
        bytes memory signature = _signVoucher(signer, firstId, amount);

        IPaymentChannels first = channels;
        channels = new PaymentChannels(GRACE_PERIOD);
        bytes32 secondId = _open(terms, 1000);
        assertTrue(firstId != secondId, "one id in two contracts");
        _expectNoCapture(terms, amount, signature);

        // Nor does one that names the other's channel under this contract's domain.
        _expectNoCapture(terms, amount, _signVoucher(signer, firstId, amount));
        _expectForeignDomain(terms, amount, _domainOf("EVM Payment Channel", address(first), block.chainid));
    }

    function testFuzz_INV13_signaturesWorkOnTheirChainOnly(uint256 amount, uint64 otherChain) public {
        amount = bound(amount, 1, 1000);
        uint256 chainId = block.chainid;
        otherChain = uint64(bound(otherChain, 1, type(uint32).max));
        vm.assume(otherChain != chainId);
        IPaymentChannels.Terms memory terms = _terms(1);
        bytes32 firstId = _open(terms, 1000);
        bytes memory signature = _signVoucher(signer, firstId, amount);

        // A fork: the same state under another id of the chain.
        vm.chainId(otherChain);
        bytes32 ownDomain = _domainOf("EVM Payment Channel", address(channels), otherChain);
        assertTrue(channels.domainSeparator() == ownDomain, "the domain follows the chain");
        _expectRefusal(
            payee,
            abi.encodeCall(
                channels.settle,
                (IPaymentChannels.Claim(terms, uint128(amount), uint128(amount), signature))
            ),
            abi.encodeWithSelector(IPaymentChannels.ChannelNotFound.selector, channels.computeChannelId(terms))
        );
        _open(terms, 1000);
        _expectNoCapture(terms, amount, signature);
        _expectForeignDomain(terms, amount, _domainOf("EVM Payment Channel", address(channels), chainId));
        vm.chainId(chainId);
    }

    /// One key for all roles, the same numbers in all messages: still each serves as what it was signed for.
    function testFuzz_INV13_signaturesWorkAsTheirTypeOnly(uint256 number) public {
        number = bound(number, block.timestamp, type(uint40).max);
        IPaymentChannels.Terms memory terms = _terms(1);
        (terms.payee, terms.authorizedSigner) = (payer, address(0));
        bytes32 id = _open(terms, number);
        bytes[4] memory signatures = [
            _signVoucher(payer, id, number),
            _signCloseRequest(payer, id, number),
            _signAuthorization(payer, SETTLE_TYPEHASH, id, number, number, number),
            _signAuthorization(payer, CLOSE_TYPEHASH, id, number, number, number)
        ];
        bytes memory refusal = abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, payer);
        for (uint256 i = 0; i < 4; ++i) {
            IPaymentChannels.Claim memory claim = IPaymentChannels.Claim(
                terms,
                uint128(number),
                uint128(number),
                signatures[i]
            );
            bytes[4] memory uses = [
                abi.encodeCall(channels.settle, (claim)),
                abi.encodeCall(channels.requestCloseWithAuthorization, (terms, uint64(number), signatures[i])),
                bytes(""),
                bytes("")
            ];
            claim.signature = signatures[0];
            uses[2] = abi.encodeCall(channels.settleWithAuthorization, (claim, number, number, signatures[i]));
            uses[3] = abi.encodeCall(channels.closeWithAuthorization, (claim, number, number, signatures[i]));
            for (uint256 use = 0; use < 4; ++use) {
                if (use != i) _expectRefusal(payer, uses[use], refusal);
            }
        }
    }

    function _expectNoCapture(IPaymentChannels.Terms memory terms, uint256 amount, bytes memory signature) private {
        IPaymentChannels.Claim memory claim = IPaymentChannels.Claim(
            terms,
            uint128(amount),
            uint128(amount),
            signature
        );
        bytes memory refusal = abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, signer);
        _expectRefusal(terms.payee, abi.encodeCall(channels.settle, (claim)), refusal);
        _expectRefusal(terms.payee, abi.encodeCall(channels.close, (claim)), refusal);
        (address caller, bytes memory data) = _encodeSettle(Route.Authorization, claim);
        _expectRefusal(caller, data, refusal);
        (caller, data) = _encodeSettle(Route.Batch, claim);
        _send(caller, data);
        assertEq(_channel(terms).settled, 0, "settled");
    }

    /// Every type, signed about the right channel under the wrong domain.
    function _expectForeignDomain(IPaymentChannels.Terms memory terms, uint256 amount, bytes32 domain) private {
        bytes32 id = _idOf(terms);
        _expectNoCapture(
            terms,
            amount,
            _signUnder(domain, signer, keccak256(abi.encode(VOUCHER_TYPEHASH, id, amount)))
        );

        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, amount);
        bytes memory refusal = abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, payee);
        bytes memory signature = _signUnder(
            domain,
            payee,
            keccak256(abi.encode(SETTLE_TYPEHASH, id, amount, NONCE, FOREVER))
        );
        _expectRefusal(
            relayer,
            abi.encodeCall(channels.settleWithAuthorization, (claim, NONCE, FOREVER, signature)),
            refusal
        );
        signature = _signUnder(domain, payee, keccak256(abi.encode(CLOSE_TYPEHASH, id, amount, NONCE, FOREVER)));
        _expectRefusal(
            relayer,
            abi.encodeCall(channels.closeWithAuthorization, (claim, NONCE, FOREVER, signature)),
            refusal
        );
        signature = _signUnder(domain, payer, keccak256(abi.encode(CLOSE_REQUEST_TYPEHASH, id, FOREVER)));
        _expectRefusal(
            relayer,
            abi.encodeCall(channels.requestCloseWithAuthorization, (terms, uint64(FOREVER), signature)),
            abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, payer)
        );
    }

    /* INV15: NOTHING SIGNED CAN BE CHANGED */

    function testFuzz_INV15_settleAndCloseByAuthorization_revertWhen_anythingIsChanged(
        uint256 amount,
        uint8 field,
        uint256 change,
        bool isClose
    ) public {
        amount = bound(amount, 2, 900);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, amount + 50);
        bytes32 typeHash = isClose ? CLOSE_TYPEHASH : SETTLE_TYPEHASH;
        uint256 nonce = derive(change, 1);
        uint256 deadline = bound(derive(change, 2), block.timestamp + 1000, FOREVER);
        bytes memory signature = _signAuthorization(payee, typeHash, _idOf(terms), amount, nonce, deadline);

        field = field % 9;
        if (field == 0) nonce ^= 1 << (change % 256);
        if (field == 1) deadline += bound(change, 1, FOREVER);
        if (field == 2) deadline -= bound(change, 1, 1000);
        if (field == 3) claim.amount = uint128(amount - bound(change, 1, amount - 1));
        if (field == 4) claim.amount = uint128(amount + bound(change, 1, 50));
        if (field == 5) claim.cumulativeAmount = uint128(bound(change, amount + 51, type(uint128).max));
        if (field == 6) claim.terms.payee = stranger;
        if (field == 7) claim.terms.salt = bytes32(bound(change, 2, type(uint256).max));
        if (field == 8) claim.terms.payer = relayer;
        address accused = field == 5 ? signer : claim.terms.payee;
        _expectRefusal(
            relayer,
            isClose
                ? abi.encodeCall(channels.closeWithAuthorization, (claim, nonce, deadline, signature))
                : abi.encodeCall(channels.settleWithAuthorization, (claim, nonce, deadline, signature)),
            abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, accused)
        );
        _assertChannel(_terms(1), 1000, 0, 0, false);
    }

    function testFuzz_INV15_requestCloseWithAuthorization_revertsWhen_anythingIsChanged(
        uint64 deadline,
        uint8 field,
        uint256 change
    ) public {
        deadline = uint64(bound(deadline, block.timestamp + 1, FOREVER - 1));
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 1000);
        bytes memory signature = _signCloseRequest(payer, _idOf(terms), deadline);

        IPaymentChannels.Terms memory changed = _terms(1);
        field = field % 6;
        if (field == 0) deadline = uint64(bound(change, deadline + 1, FOREVER));
        if (field == 1) deadline = uint64(bound(change, block.timestamp, deadline - 1));
        if (field == 2) changed.payee = stranger;
        if (field == 3) changed.salt = bytes32(bound(change, 2, type(uint256).max));
        if (field == 4) changed.authorizedSigner = address(0);
        if (field == 5) changed.token = address(token);
        if (field > 1) _open(changed, 1000);
        _expectRefusal(
            relayer,
            abi.encodeCall(channels.requestCloseWithAuthorization, (changed, deadline, signature)),
            abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, payer)
        );
        _assertChannel(terms, 1000, 0, 0, false);
    }

    /// Only the one form is a signature: not another's, not of another length, not the other `s`, not a bare `v`.
    function testFuzz_settle_revertsWhen_signatureIsNotTheSigners(
        uint256 amount,
        bytes memory junk,
        uint8 kind
    ) public {
        amount = bound(amount, 1, 1000);
        IPaymentChannels.Terms memory terms = _terms(1);
        bytes32 id = _open(terms, 1000);
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, amount);
        (bytes32 r, bytes32 vs) = _compact(claim.signature);
        kind = kind % 6;
        if (kind == 0) claim.signature = junk;
        if (kind == 1) claim.signature = _signVoucher(payer, id, amount);
        if (kind == 2) claim.signature = abi.encodePacked(r, vs);
        if (kind == 3) claim.signature[64] = bytes1(uint8(claim.signature[64]) - 27);
        if (kind == 4) claim.signature = _withHighS(claim.signature);
        if (kind == 5) claim.signature = abi.encodePacked(claim.signature, junk, uint8(0));
        _expectRefusal(
            payee,
            abi.encodeCall(channels.settle, (claim)),
            abi.encodeWithSelector(ITokenCustody.InvalidSignature.selector, signer)
        );
    }

    function _withHighS(bytes memory signature) private pure returns (bytes memory) {
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        (bytes32 r, bytes32 vs) = _compact(signature);
        uint256 s = uint256(vs) & (type(uint256).max >> 1);
        return abi.encodePacked(r, order - s, uint8(signature[64]) == 27 ? uint8(28) : uint8(27));
    }
}
