// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title One rule for every signature
library Signatures {
    /// @notice ECDSA first, ERC-1271 only where that fails: OpenZeppelin's own checker asks a signer with code alone,
    /// so that an account could disown its earlier signatures by gaining code (EIP-7702).
    /// @param signer The expected signer
    /// @param digest What was signed
    /// @param signature 65 bytes with a low `s` for ECDSA, anything for ERC-1271
    /// @return True if `signer` signed `digest`
    function isValid(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        (address recovered, ECDSA.RecoverError failure, ) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }
}
