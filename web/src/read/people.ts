import { first } from "../core/first";

/** isMine tells whether an address is the account's own. */
export function isMine(address: string): boolean {
  return address.toLowerCase() === first.account.address.toLowerCase();
}
