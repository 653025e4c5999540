// What waits, what became of what was sent, and whom one writes to; loaded when it is first looked at.

export { Outbox } from "./outbox";
export { Contacts } from "./contacts";
export { told } from "./brief";
export { Bounced, Delivery } from "./delivery";
export { askWhere, whereIs } from "./whereis";
