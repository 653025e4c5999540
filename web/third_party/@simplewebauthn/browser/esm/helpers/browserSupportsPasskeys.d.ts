/**
 * Determine if the browser is capable of facilitating use of synced passkeys for **authentication**
 * via local platform authenticator or via the hybrid transport. This method does NOT know if the
 * user actually has a passkey available to use.
 */
export declare function browserSupportsPasskeys(): Promise<boolean>;
