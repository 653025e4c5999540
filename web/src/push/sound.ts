// Sounds for new mail, made here from tones: one for all folders, others for single ones, as the account chose. They are heard while the
// mail is open; the notifications of the worker have the device's own sound, or none. A browser can be kept silent altogether.

import { alerts, type Sound } from "../core/alerts";
import { mailboxes, onChange, shared } from "../core/mail";

/** sounds are all of them, as they are offered. */
export const sounds: Sound[] = ["device", "bell", "rise", "wood", "none"];

const muteKey = "postiljon-mute";

/** muted says whether this browser makes no sound, whatever the account chose. */
export const muted = (): boolean => localStorage.getItem(muteKey) !== null;

export const mute = (on: boolean): void => (on ? localStorage.setItem(muteKey, "1") : localStorage.removeItem(muteKey));

/** soundOf is what mail in a folder sounds like. */
const soundOf = (mailbox: string): Sound => alerts.peek().folders[mailbox]?.sound ?? alerts.peek().sound;

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
  const folders = () => [...mailboxes.peek(), ...shared.peek()];
  const counts = () => new Map(folders().map((m) => [m.id, { all: m.totalEmails, unread: m.unreadEmails }]));
  let before = counts();
  onChange(() => {
    const now = counts();
    const came = folders().filter((m) => {
      const was = before.get(m.id);
      return was && m.totalEmails > was.all && m.unreadEmails > was.unread && !["sent", "drafts", "outbox", "trash", "junk"].includes(m.role ?? "");
    });
    before = now;
    const sound = came.map((m) => soundOf(m.id)).find((s) => tones[s]);
    if (!sound || muted()) return;
    const heard = () => play(sound).catch(() => {});
    if (!navigator.locks) return void heard();
    void navigator.locks.request("postiljon-sound", { ifAvailable: true }, async (mine) => {
      if (!mine) return;
      await heard();
      await new Promise((go) => setTimeout(go, 1500));
    });
  });
}
