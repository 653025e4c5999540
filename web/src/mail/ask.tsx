// Questions with an answer of one line, or one of several.

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
}

/** ask asks somebody and answers "yes", the text of the field, the choice; undefined if it is not wanted. */
export function ask(q: Question): Promise<string | undefined> {
  return show<string>((close) => <Asking {...q} close={close} />);
}

function Asking({ title, text, yes, danger, field, choices, close }: Question & { close: (answer?: string) => void }) {
  const id = useName();
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    if (!field && !choices) return close("yes");
    const given = String(new FormData(e.currentTarget as HTMLFormElement).get("answer") ?? "").trim();
    if (given) close(given);
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
            <input name="answer" defaultValue={field.value} maxLength={field.maxLength} required autocomplete="off" autofocus />
          </label>
        )}
        {choices?.map((c, i) => (
          <label key={c.value} class="asking-choice">
            <input type="radio" name="answer" value={c.value} defaultChecked={i === 0} /> <span>{c.label}</span>
          </label>
        ))}
      </form>
    </Dialog>
  );
}
