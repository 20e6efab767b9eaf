// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PaymentChannels} from "../../../contracts/PaymentChannels.sol";
import {IPaymentChannels} from "../../../contracts/interfaces/IPaymentChannels.sol";
import {BlocklistToken} from "../../../contracts/test/BlocklistToken.sol";
import {GasToken} from "../../../contracts/test/GasToken.sol";
import {Statements} from "./Statements.sol";

/// @notice A deployed contract, two tokens, one party of each role, and the short ways to act that the tests share.
abstract contract ChannelsTest is Statements {
    uint256 internal constant NONCE = 7;
    uint256 internal constant FOREVER = type(uint64).max;

    GasToken internal token;
    BlocklistToken internal blocklist;

    address internal payer;
    address internal payee;
    address internal signer;
    address internal operator;
    address internal relayer;
    address internal stranger;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        channels = new PaymentChannels(GRACE_PERIOD);
        (token, blocklist) = (new GasToken(), new BlocklistToken());
        payer = _newParty("payer");
        payee = _newParty("payee");
        signer = _newParty("signer");
        operator = _newParty("operator");
        relayer = _newParty("relayer");
        stranger = _newParty("stranger");
        vm.prank(payee);
        channels.setOperator(operator, true);
    }

    /* ACTING */

    /// @notice Terms in the blocklist token, which is a plain one as long as nobody is blocked.
    function _terms(uint256 salt) internal view returns (IPaymentChannels.Terms memory) {
        return IPaymentChannels.Terms(payer, payee, address(blocklist), bytes32(salt), signer);
    }

    function _fund(address account, address inToken, uint256 amount) internal {
        GasToken(inToken).mint(account, amount);
        vm.prank(account);
        GasToken(inToken).approve(address(channels), type(uint256).max);
    }

    function _open(IPaymentChannels.Terms memory terms, uint256 deposit) internal returns (bytes32 channelId) {
        _fund(terms.payer, terms.token, deposit);
        vm.prank(terms.payer);
        return channels.open(terms.payee, terms.token, uint128(deposit), terms.salt, terms.authorizedSigner);
    }

    /// @notice Opens a channel of which an amount is settled already.
    function _openSettled(IPaymentChannels.Terms memory terms, uint256 deposit, uint256 settled) internal {
        _open(terms, deposit);
        if (settled > 0) _settle(terms, settled);
    }

    function _settle(IPaymentChannels.Terms memory terms, uint256 amount) internal {
        IPaymentChannels.Claim memory claim = _claimOf(terms, amount, amount);
        vm.prank(terms.payee);
        channels.settle(claim);
    }

    function _topUp(IPaymentChannels.Terms memory terms, uint256 amount) internal {
        _fund(terms.payer, terms.token, amount);
        vm.prank(terms.payer);
        channels.topUp(terms, uint128(amount));
    }

    /// @notice Tops up by an authorization of `from` that the relayer sends.
    function _topUpRelayed(IPaymentChannels.Terms memory terms, uint256 amount, address from, bytes32 salt) internal {
        GasToken(terms.token).mint(from, amount);
        bytes32 nonce = _topUpNonce(terms, amount, from, salt);
        bytes memory signature = _signReceive(terms.token, from, amount, 0, FOREVER, nonce);
        vm.prank(relayer);
        channels.topUpWithAuthorization(terms, uint128(amount), from, salt, 0, FOREVER, nonce, signature);
    }

    function _requestClose(IPaymentChannels.Terms memory terms) internal {
        vm.prank(terms.payer);
        channels.requestClose(terms);
    }

    function _block(address account, bool blocked) internal {
        blocklist.setBlocked(account, blocked);
    }

    /* THE WAYS TO CAPTURE */

    enum Route {
        Payee,
        Operator,
        Authorization,
        Batch
    }

    /// @notice The call that settles a claim, and who may send it.
    function _encodeSettle(
        Route route,
        IPaymentChannels.Claim memory claim
    ) internal view returns (address caller, bytes memory data) {
        if (route == Route.Authorization) {
            bytes memory signature = _signAuthorization(
                claim.terms.payee,
                SETTLE_TYPEHASH,
                _idOf(claim.terms),
                claim.amount,
                NONCE,
                FOREVER
            );
            return (stranger, abi.encodeCall(channels.settleWithAuthorization, (claim, NONCE, FOREVER, signature)));
        }
        if (route == Route.Batch) {
            IPaymentChannels.BatchClaim[] memory claims = new IPaymentChannels.BatchClaim[](1);
            claims[0] = _batchClaimOf(claim);
            data = abi.encodeCall(channels.settleBatch, (claim.terms.payee, claim.terms.token, claims));
            return (claim.terms.payee, data);
        }
        return (route == Route.Payee ? claim.terms.payee : operator, abi.encodeCall(channels.settle, (claim)));
    }

    /// @notice The call that closes with a claim; an operator or a batch cannot, so by the payee or by authorization.
    function _encodeClose(
        bool isRelayed,
        IPaymentChannels.Claim memory claim
    ) internal view returns (address caller, bytes memory data) {
        if (!isRelayed) return (claim.terms.payee, abi.encodeCall(channels.close, (claim)));
        bytes memory signature = _signAuthorization(
            claim.terms.payee,
            CLOSE_TYPEHASH,
            _idOf(claim.terms),
            claim.amount,
            NONCE,
            FOREVER
        );
        return (stranger, abi.encodeCall(channels.closeWithAuthorization, (claim, NONCE, FOREVER, signature)));
    }

    function _send(address caller, bytes memory data) internal {
        vm.prank(caller);
        // solhint-disable-next-line avoid-low-level-calls
        (bool success, bytes memory result) = address(channels).call(data);
        assertTrue(success, string.concat("refused: ", string(result)));
    }

    /// @notice Checks that a call is refused, by exactly this error.
    function _expectRefusal(address caller, bytes memory data, bytes memory refusal) internal {
        vm.prank(caller);
        // solhint-disable-next-line avoid-low-level-calls
        (bool success, bytes memory result) = address(channels).call(data);
        assertTrue(!success, "a call that must be refused succeeded");
        assertEq(result, refusal, "refused by another error");
    }

    /* LOOKING */

    /// @notice Balance and credit together: what an account has got, delivered or not.
    function _holding(address inToken, address account) internal view returns (uint256) {
        return GasToken(inToken).balanceOf(account) + channels.credit(inToken, account);
    }

    function _channel(IPaymentChannels.Terms memory terms) internal view returns (IPaymentChannels.Channel memory) {
        return channels.getChannel(_idOf(terms));
    }

    function _assertChannel(
        IPaymentChannels.Terms memory terms,
        uint256 deposit,
        uint256 settled,
        uint256 closeRequestedAt,
        bool finalized
    ) internal view {
        IPaymentChannels.Channel memory channel = _channel(terms);
        assertEq(channel.deposit, deposit, "deposit");
        assertEq(channel.settled, settled, "settled");
        assertEq(channel.closeRequestedAt, closeRequestedAt, "closeRequestedAt");
        assertTrue(channel.finalized == finalized, "finalized");
    }
}
