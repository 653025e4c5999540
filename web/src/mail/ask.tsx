// Questions with an answer of one line, or one of several.

import { useRef, useState } from "preact/hooks";
import { useName } from "../ui/id";
import { t } from "../core/text";
import { Button } from "../ui/button";
import { Dialog, show } from "../ui/dialog";

interface Question {
  title: string;
  text?: string;
  /** yes is what the button says that does it. */
  yes: string;
  danger?: boolean;
  /** field asks for a line of text, which is the answer. */
  field?: { label: string; value?: string; maxLength?: number };
  /** choices ask for one of several; the answer is its value. */
  choices?: { value: string; label: string }[];
  /** run does what is asked about before the question goes; where it answers what is wrong, that stands below the field, and the question stays. */
  run?: (answer: string) => Promise<string | undefined>;
}

/** ask asks somebody and answers "yes", the text of the field, the choice; undefined if it is not wanted. */
export function ask(q: Question): Promise<string | undefined> {
  return show<string>((close) => <Asking {...q} close={close} />);
}

function Asking({ title, text, yes, danger, field, choices, run, close }: Question & { close: (answer?: string) => void }) {
  const id = useName();
  const wrong = useName();
  const [why, setWhy] = useState<string | undefined>();
  const busy = useRef(false);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    if (busy.current) return;
    const form = e.currentTarget as HTMLFormElement;
    const given = field || choices ? String(new FormData(form).get("answer") ?? "").trim() : "yes";
    busy.current = true;
    const refused = await run?.(given);
    busy.current = false;
    if (refused === undefined) return close(given);
    setWhy(refused);
    form.querySelector("input")?.focus();
  };
  return (
    <Dialog title={title} onClose={() => close()} actions={<>
      <Button onClick={() => close()}>{t("cancel")}</Button>
      <button type="submit" form={id} class={`button ${danger ? "danger" : "primary"}`}>{yes}</button>
    </>}>
      <form id={id} class="asking" onSubmit={submit}>
        {text && <p>{text}</p>}
        {field && (
          <label class="asking-field">
            <span>{field.label}</span>
            <input name="answer" defaultValue={field.value} maxLength={field.maxLength} autocomplete="off" autofocus aria-invalid={!!why} aria-describedby={why && wrong} onInput={() => setWhy(undefined)} />
          </label>
        )}
        {why && <p id={wrong} class="why" role="alert">{why}</p>}
        {choices?.map((c, i) => (
          <label key={c.value} class="asking-choice">
            <input type="radio" name="answer" value={c.value} defaultChecked={i === 0} /> <span>{c.label}</span>
          </label>
        ))}
      </form>
    </Dialog>
  );
}
