// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PaymentChannels} from "../../contracts/PaymentChannels.sol";
import {IPaymentChannels} from "../../contracts/interfaces/IPaymentChannels.sol";
import {ITokenCustody} from "../../contracts/interfaces/ITokenCustody.sol";
import {GasToken} from "../../contracts/test/GasToken.sol";
import {SkewedToken} from "../../contracts/test/SkewedToken.sol";
import {ChannelsTest} from "./utils/ChannelsTest.sol";

contract PaymentChannelsFundingTest is ChannelsTest {
    /* DEPLOYING */

    function testFuzz_constructor_keepsTheGracePeriod(uint40 period) public {
        period = uint40(bound(period, 600, 30 days));
        assertEq(new PaymentChannels(period).CLOSE_GRACE_PERIOD(), period, "grace period");
    }

    function testFuzz_constructor_revertsWhen_gracePeriodIsOutOfBounds(uint40 period, bool isShort) public {
        period = uint40(isShort ? bound(period, 0, 599) : bound(period, 30 days + 1, type(uint40).max));
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.InvalidGracePeriod.selector, period, 600, 30 days));
        new PaymentChannels(period);
    }

    /* OPENING */

    function testFuzz_open_locksTheDeposit(uint128 deposit, bytes32 salt, address who, address signs) public {
        deposit = uint128(bound(deposit, 1, MAX_DEPOSIT));
        vm.assume(who != address(0) && who != address(channels));
        IPaymentChannels.Terms memory terms = IPaymentChannels.Terms(payer, who, address(token), salt, signs);
        _fund(payer, address(token), deposit);

        vm.expectEmit();
        emit IPaymentChannels.ChannelOpened(_idOf(terms), payer, who, address(token), signs, salt, deposit);
        vm.prank(payer);
        bytes32 channelId = channels.open(who, address(token), deposit, salt, signs);

        assertTrue(channelId == _idOf(terms), "id");
        assertTrue(channels.computeChannelId(terms) == channelId, "computed id");
        _assertChannel(terms, deposit, 0, 0, false);
        assertEq(token.balanceOf(address(channels)), deposit, "balance");
    }

    function testFuzz_open_revertsWhen_depositOverflows(uint128 deposit) public {
        deposit = uint128(bound(deposit, MAX_DEPOSIT + 1, type(uint128).max));
        _fund(payer, address(token), deposit);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.DepositOverflow.selector, deposit, MAX_DEPOSIT));
        vm.prank(payer);
        channels.open(payee, address(token), deposit, 0, signer);
    }

    function test_open_revertsWhen_depositIsZero() public {
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.ZeroDeposit.selector));
        vm.prank(payer);
        channels.open(payee, address(token), 0, 0, signer);
    }

    function testFuzz_open_revertsWhen_payeeCannotBePaid(uint128 deposit, bool isZero) public {
        deposit = uint128(bound(deposit, 1, MAX_DEPOSIT));
        address nobody = isZero ? address(0) : address(channels);
        _fund(payer, address(token), deposit);
        vm.expectRevert(abi.encodeWithSelector(IPaymentChannels.InvalidPayee.selector, nobody));
        vm.prank(payer);
        channels.open(nobody, address(token), deposit, 0, signer);
    }

    function testFuzz_open_revertsWhen_tokenHasNoCode(address nothing, uint128 deposit) public {
        deposit = uint128(bound(deposit, 1, MAX_DEPOSIT));
        // Precompiles answer, so they fail in another way.
        vm.assume(nothing.code.length == 0 && uint160(nothing) > type(uint16).max);
        vm.expectRevert(abi.encodeWithSelector(ITokenCustody.InvalidToken.selector, nothing));
        vm.prank(payer);
        channels.open(payee, nothing, deposit, 0, signer);
    }

    function testFuzz_open_revertsWhen_anotherAmountArrives(uint256 deposit, int256 skew) public {
        deposit = bound(deposit, 2, MAX_DEPOSIT);
        skew = int256(bound(uint256(skew), 1, deposit - 1)) * (skew % 2 == 0 ? int256(1) : int256(-1));
        SkewedToken skewed = new SkewedToken();
        skewed.setSkew(skew);
        _fund(payer, address(skewed), deposit);

        uint256 received = uint256(int256(deposit) + skew);
        vm.expectRevert(abi.encodeWithSelector(ITokenCustody.UnexpectedTransferAmount.selector, received, deposit));
        vm.prank(payer);
        channels.open(payee, address(skewed), uint128(deposit), 0, signer);
    }

    /* TOPPING UP */

    function testFuzz_topUp_addsToTheDeposit(uint256 deposit, uint256 settled, uint256 added, bool isRelayed) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT - 1);
        settled = bound(settled, 0, deposit);
        added = bound(added, 1, MAX_DEPOSIT - deposit);
        IPaymentChannels.Terms memory terms = _terms(1);
        _openSettled(terms, deposit, settled);

        if (isRelayed) _topUpRelayed(terms, added, stranger, bytes32(added));
        else _topUp(terms, added);

        _assertChannel(terms, deposit + added, settled, 0, false);
        assertEq(blocklist.balanceOf(address(channels)), deposit + added - settled, "balance");
        assertEq(blocklist.balanceOf(payer) + blocklist.balanceOf(stranger), 0, "both amounts were pulled");
    }

    function testFuzz_topUp_revertsWhen_depositOverflows(uint256 deposit, uint256 added, bool isRelayed) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT);
        added = bound(added, MAX_DEPOSIT - deposit + 1, type(uint128).max);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, deposit);
        _expectTopUpRefusal(
            terms,
            added,
            isRelayed,
            abi.encodeWithSelector(IPaymentChannels.DepositOverflow.selector, deposit + added, MAX_DEPOSIT)
        );
    }

    function test_topUp_revertsWhen_amountIsZero() public {
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 5);
        bytes memory refusal = abi.encodeWithSelector(IPaymentChannels.ZeroDeposit.selector);
        _expectTopUpRefusal(terms, 0, false, refusal);
        _expectTopUpRefusal(terms, 0, true, refusal);
    }

    function testFuzz_topUp_revertsWhen_channelDoesNotExist(uint256 salt, uint256 added, bool isRelayed) public {
        IPaymentChannels.Terms memory terms = _terms(salt);
        _expectTopUpRefusal(
            terms,
            bound(added, 1, MAX_DEPOSIT),
            isRelayed,
            abi.encodeWithSelector(IPaymentChannels.ChannelNotFound.selector, _idOf(terms))
        );
    }

    function testFuzz_topUp_revertsWhen_callerIsNotThePayer(address caller, uint256 added) public {
        vm.assume(caller != payer);
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, 5);
        bytes memory data = abi.encodeCall(channels.topUp, (terms, uint128(bound(added, 1, MAX_DEPOSIT - 5))));
        _expectRefusal(caller, data, abi.encodeWithSelector(IPaymentChannels.NotPayer.selector, caller, payer));
    }

    function _expectTopUpRefusal(
        IPaymentChannels.Terms memory terms,
        uint256 added,
        bool isRelayed,
        bytes memory refusal
    ) private {
        _fund(payer, terms.token, added);
        bytes memory data = abi.encodeCall(channels.topUp, (terms, uint128(added)));
        if (isRelayed) {
            bytes32 nonce = _topUpNonce(terms, added, payer, 0);
            bytes memory signature = _signReceive(terms.token, payer, added, 0, FOREVER, nonce);
            data = abi.encodeCall(
                channels.topUpWithAuthorization,
                (terms, uint128(added), payer, 0, 0, FOREVER, nonce, signature)
            );
        }
        _expectRefusal(payer, data, refusal);
    }

    /* BY AUTHORIZATION */

    /// @notice Everything that a payer signs to open or to top up, as the relayer sends it.
    struct Funding {
        IPaymentChannels.Terms terms;
        uint256 amount;
        address from;
        bytes32 topUpSalt;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
        bytes signature;
    }

    function testFuzz_openWithAuthorization_locksTheDeposit(
        uint256 deposit,
        uint256 salt,
        address signs,
        address caller
    ) public {
        IPaymentChannels.Terms memory terms = _terms(salt);
        terms.authorizedSigner = signs;
        Funding memory funding = _authorizeOpening(terms, bound(deposit, 1, MAX_DEPOSIT));

        _send(caller, _encodeOpening(funding));

        _assertChannel(terms, funding.amount, 0, 0, false);
        assertEq(blocklist.balanceOf(address(channels)), funding.amount, "balance");
    }

    function testFuzz_INV15_openWithAuthorization_revertsWhen_anyTermIsChanged(
        uint256 deposit,
        uint8 field,
        uint256 change,
        bool isNonceRenewed
    ) public {
        Funding memory funding = _authorizeOpening(_terms(1), bound(deposit, 1, MAX_DEPOSIT / 4));
        bytes32 signedNonce = funding.nonce;
        bool isInNonce = _change(funding, field % 9, change);
        if (isNonceRenewed) funding.nonce = _openNonce(funding.terms);
        _fund(funding.terms.payer, funding.terms.token, MAX_DEPOSIT);

        bytes memory refusal =
            isInNonce && funding.nonce == signedNonce
                ? abi.encodeWithSelector(
                    IPaymentChannels.NonceMismatch.selector,
                    signedNonce,
                    _openNonce(funding.terms)
                )
                : _tokenError(funding);
        _expectRefusal(relayer, _encodeOpening(funding), refusal);
        _expectNothingMoved(funding);
    }

    function testFuzz_INV15_topUpWithAuthorization_revertsWhen_anyTermIsChanged(
        uint256 deposit,
        uint8 field,
        uint256 change,
        bool isNonceRenewed
    ) public {
        deposit = bound(deposit, 1, MAX_DEPOSIT / 4);
        IPaymentChannels.Terms memory terms = _terms(1);
        Funding memory funding = _authorizeTopUp(terms, deposit);
        bytes32 signedNonce = funding.nonce;
        bool isInNonce = _change(funding, field % 10, change);
        // A top-up binds its amount by the nonce too.
        isInNonce = isInNonce || field % 10 == 5;
        if (isNonceRenewed) {
            funding.nonce = _topUpNonce(funding.terms, funding.amount, funding.from, funding.topUpSalt);
        }
        if (isInNonce && _idOf(funding.terms) != _idOf(terms)) _open(funding.terms, 5);
        _open(terms, deposit);

        bytes memory refusal =
            isInNonce && funding.nonce == signedNonce
                ? abi.encodeWithSelector(
                    IPaymentChannels.NonceMismatch.selector,
                    signedNonce,
                    _topUpNonce(funding.terms, funding.amount, funding.from, funding.topUpSalt)
                )
                : _tokenError(funding);
        _expectRefusal(relayer, _encodeTopUp(funding), refusal);
        _assertChannel(terms, deposit, 0, 0, false);
    }

    function testFuzz_topUpWithAuthorization_revertsWhen_sentTwice(uint256 deposit, uint256 added) public {
        IPaymentChannels.Terms memory terms = _terms(1);
        _open(terms, bound(deposit, 1, MAX_DEPOSIT / 4));
        Funding memory funding = _authorizeTopUp(terms, bound(added, 1, MAX_DEPOSIT / 4));
        _send(relayer, _encodeTopUp(funding));
        _fund(payer, terms.token, funding.amount);
        _expectRefusal(
            relayer,
            _encodeTopUp(funding),
            abi.encodeWithSelector(GasToken.AuthorizationUsedAlready.selector, payer, funding.nonce)
        );
    }

    /// Fields 0 to 4 are terms, 5 to 8 belong to the authorization, 9 is the salt of a top-up.
    /// @return isInNonce True if the contract's nonce binds the field
    function _change(Funding memory funding, uint256 field, uint256 change) private view returns (bool isInNonce) {
        address other = vm.addr(bound(change, 1, type(uint128).max));
        if (field == 0) funding.terms.payee = other;
        if (field == 1) funding.terms.salt = bytes32(bound(change, 2, type(uint256).max));
        if (field == 2) funding.terms.authorizedSigner = change % 2 == 0 ? address(0) : other;
        if (field == 3) funding.terms.token = address(token);
        if (field == 4) (funding.from, funding.terms.payer) = (stranger, stranger);
        if (field == 5) funding.amount = bound(change, funding.amount + 1, MAX_DEPOSIT / 2);
        if (field == 6) funding.validAfter = bound(change, 1, block.timestamp - 1);
        if (field == 7) funding.validBefore = bound(change, block.timestamp + 1, FOREVER - 1);
        if (field == 8) funding.signature = _signReceive(funding.terms.token, signer, funding.amount, 0, FOREVER, 0);
        if (field == 9) funding.topUpSalt = bytes32(bound(change, 1, type(uint256).max));
        return field < 5 || field == 9;
    }

    /// Where the contract's own check passes, the token's refuses: the digest is another one.
    function _tokenError(Funding memory funding) private pure returns (bytes memory) {
        return abi.encodeWithSelector(GasToken.InvalidAuthorizationSignature.selector, funding.from);
    }

    function _expectNothingMoved(Funding memory funding) private view {
        assertEq(token.balanceOf(address(channels)) + blocklist.balanceOf(address(channels)), 0, "moved");
        assertEq(_channel(funding.terms).deposit, 0, "a channel was opened");
    }

    function _authorizeOpening(IPaymentChannels.Terms memory terms, uint256 deposit) private returns (Funding memory) {
        _fund(terms.payer, terms.token, deposit);
        bytes32 nonce = _openNonce(terms);
        bytes memory signature = _signReceive(terms.token, terms.payer, deposit, 0, FOREVER, nonce);
        return Funding(terms, deposit, terms.payer, 0, 0, FOREVER, nonce, signature);
    }

    function _authorizeTopUp(IPaymentChannels.Terms memory terms, uint256 amount) private returns (Funding memory) {
        _fund(terms.payer, terms.token, amount);
        bytes32 nonce = _topUpNonce(terms, amount, terms.payer, 0);
        bytes memory signature = _signReceive(terms.token, terms.payer, amount, 0, FOREVER, nonce);
        return Funding(terms, amount, terms.payer, 0, 0, FOREVER, nonce, signature);
    }

    function _encodeOpening(Funding memory funding) private view returns (bytes memory) {
        return
            abi.encodeCall(
                channels.openWithAuthorization,
                (
                    funding.terms.payee,
                    funding.terms.token,
                    uint128(funding.amount),
                    funding.terms.salt,
                    funding.terms.authorizedSigner,
                    funding.from,
                    funding.validAfter,
                    funding.validBefore,
                    funding.nonce,
                    funding.signature
                )
            );
    }

    function _encodeTopUp(Funding memory funding) private view returns (bytes memory) {
        return
            abi.encodeCall(
                channels.topUpWithAuthorization,
                (
                    funding.terms,
                    uint128(funding.amount),
                    funding.from,
                    funding.topUpSalt,
                    funding.validAfter,
                    funding.validBefore,
                    funding.nonce,
                    funding.signature
                )
            );
    }
}
