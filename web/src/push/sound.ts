// Sounds for new mail, made here from tones: one for all folders, others for single ones. They are heard while the mail is open in this
// browser; the notifications of the worker have the device's own sound, or none.

import { first } from "../core/first";
import { mailboxes, onChange } from "../core/mail";

/** Sound is what new mail sounds like: "device" leaves it to the notifications. */
export type Sound = "device" | "bell" | "rise" | "wood" | "none";

/** sounds are all of them, as they are offered. */
export const sounds: Sound[] = ["device", "bell", "rise", "wood", "none"];

/** Wanted is what somebody chose: for all folders, and where it is another, by the mailbox. */
interface Wanted {
  all: Sound;
  folders: Record<string, Sound>;
}

const key = `postiljon-sound.${first.account.id}`;

/** wanted is what was chosen in this browser for this account. */
export function wanted(): Wanted {
  try {
    return { all: "device", folders: {}, ...JSON.parse(localStorage.getItem(key) ?? "{}") };
  } catch {
    return { all: "device", folders: {} };
  }
}

export const keep = (w: Wanted): void => localStorage.setItem(key, JSON.stringify(w));

const soundOf = (w: Wanted, mailbox: string): Sound => w.folders[mailbox] ?? w.all;

/** forWorker says which mailboxes' notifications make no sound: at all, and while a page is open that makes its own. */
export function forWorker(w = wanted()): { silent: string[]; own: string[] } {
  const of = (...which: Sound[]) => mailboxes.peek().filter((m) => which.includes(soundOf(w, m.id))).map((m) => m.id);
  return { silent: of("none"), own: of("bell", "rise", "wood") };
}

/** Tone is a frequency in hertz, when it begins, how long it rings (seconds), and its form. */
type Tone = [hertz: number, begins: number, rings: number, form: OscillatorType];

const tones: Record<string, Tone[]> = {
  bell: [[1319, 0, 1.1, "sine"], [2637, 0, 0.5, "sine"], [3520, 0, 0.25, "sine"]],
  rise: [[523, 0, 0.3, "triangle"], [659, 0.11, 0.3, "triangle"], [784, 0.22, 0.5, "triangle"]],
  wood: [[392, 0, 0.09, "square"], [294, 0.12, 0.12, "square"]],
};

let audio: AudioContext | undefined;

/** play makes a sound heard; browsers do so once somebody has clicked on the page. */
export async function play(sound: Sound): Promise<void> {
  if (!tones[sound] || !globalThis.AudioContext) return;
  audio ??= new AudioContext();
  if (audio.state === "suspended") await audio.resume();
  const now = audio.currentTime + 0.02;
  for (const [hertz, begins, rings, form] of tones[sound]) {
    const tone = new OscillatorNode(audio, { frequency: hertz, type: form });
    const loud = new GainNode(audio, { gain: 0 });
    loud.gain.setValueAtTime(0, now + begins);
    loud.gain.linearRampToValueAtTime(form === "square" ? 0.06 : 0.18, now + begins + 0.008);
    loud.gain.exponentialRampToValueAtTime(0.0001, now + begins + rings);
    tone.connect(loud).connect(audio.destination);
    tone.start(now + begins);
    tone.stop(now + begins + rings);
  }
}

/** listen plays what was chosen when mail comes to a folder. Of several windows one does. */
export function listen(): void {
  const counts = () => new Map(mailboxes.peek().map((m) => [m.id, { all: m.totalEmails, unread: m.unreadEmails }]));
  let before = counts();
  onChange(() => {
    const now = counts();
    const w = wanted();
    const came = mailboxes.peek().filter((m) => {
      const was = before.get(m.id);
      return was && m.totalEmails > was.all && m.unreadEmails > was.unread && !["sent", "drafts", "outbox", "trash", "junk"].includes(m.role ?? "");
    });
    before = now;
    const sound = came.map((m) => soundOf(w, m.id)).find((s) => tones[s]);
    if (!sound) return;
    const heard = () => play(sound).catch(() => {});
    if (!navigator.locks) return void heard();
    void navigator.locks.request("postiljon-sound", { ifAvailable: true }, async (mine) => {
      if (!mine) return;
      await heard();
      await new Promise((go) => setTimeout(go, 1500));
    });
  });
}
