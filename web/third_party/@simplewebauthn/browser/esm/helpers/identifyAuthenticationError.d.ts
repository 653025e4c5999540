import { WebAuthnError } from './webAuthnError.js';
import type { CredentialRequestOptions } from '../types/index.js';
/**
 * Attempt to intuit _why_ an error was raised after calling `navigator.credentials.get()`
 */
export declare function identifyAuthenticationError({ error, options, }: {
    error: Error;
    options: CredentialRequestOptions;
}): WebAuthnError | Error;
