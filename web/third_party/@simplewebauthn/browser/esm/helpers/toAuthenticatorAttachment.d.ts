import type { AuthenticatorAttachment } from '../types/index.js';
/**
 * If possible coerce a `string` value into a known `AuthenticatorAttachment`
 */
export declare function toAuthenticatorAttachment(attachment: string | null): AuthenticatorAttachment | undefined;
