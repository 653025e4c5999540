/**
 * Determine if the browser is capable of Webauthn
 */
export declare function browserSupportsWebAuthn(): boolean;
/**
 * Make it possible to stub the return value during testing
 * @ignore Don't include this in docs output
 */
export declare const _browserSupportsWebAuthnInternals: {
    stubThis: (value: boolean) => boolean;
};
