// The Outbox, contacts and deliveries for the pages that show them: fetched when they are first needed.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { say } from "../core/actions";
import { load } from "../core/load";
import { t } from "../core/text";
import { Button } from "../ui/button";

type Part = typeof import("./main");

const fetchPart = (): Promise<Part> => load<Part>("outbox");

/** lazy shows a component of the part once that is there; quiet says nothing until then. */
function lazy<P extends object>(pick: (part: Part) => ComponentType<P>, quiet: boolean): ComponentType<P> {
  return function Lazy(props: P) {
    const [Shown, setShown] = useState<ComponentType<P>>();
    const [failed, setFailed] = useState(false);
    const get = () => {
      setFailed(false);
      fetchPart().then((part) => setShown(() => pick(part)), () => setFailed(true));
    };
    useEffect(get, []);
    if (Shown) return <Shown {...props} />;
    if (quiet) return null;
    return failed ? <div class="nothing" role="alert"><p>{t("no_line")}</p><Button onClick={get}>{t("try_again")}</Button></div> : <p class="nothing">{t("loading")}</p>;
  };
}

/** OutboxPane is the page /mail/outbox, ContactsPane the page /mail/contacts. */
export const OutboxPane = lazy((p) => p.Outbox, false);
export const ContactsPane = lazy((p) => p.Contacts, false);
/** Delivery says of a sent message to whom it came: <Delivery emailId="M1" />. */
export const Delivery = lazy((p) => p.Delivery, true);
/** Bounced stands above a report that something was not delivered: <Bounced emailId="M1" threadId="T1" />. */
export const Bounced = lazy((p) => p.Bounced, true);

/** whereIs shows the way of a message; without one it asks about a message that somebody waits for. */
export function whereIs(emailId?: string): void {
  fetchPart().then((p) => (emailId ? p.whereIs(emailId) : void p.askWhere()), say);
}
