export * from './methods/startRegistration.js';
export * from './methods/startAuthentication.js';
export * from './methods/sendSignal.js';
export * from './helpers/browserSupportsWebAuthn.js';
export * from './helpers/browserSupportsPasskeys.js';
export * from './helpers/platformAuthenticatorIsAvailable.js';
export * from './helpers/browserSupportsWebAuthnAutofill.js';
export * from './helpers/base64URLStringToBuffer.js';
export * from './helpers/bufferToBase64URLString.js';
export * from './helpers/getBrowserCapabilities.js';
export * from './helpers/webAuthnAbortService.js';
export * from './helpers/webAuthnError.js';
export * from './types/index.js';
//# sourceMappingURL=index.d.ts.map