// Squire as this page lets it be.

import Base from "squire-rte";

/** mostStates is how many steps back are kept. */
const mostStates = 200;

/**
 * Squire goes back to a state before by parsing what it kept as text, which the policy of the page forbids (Trusted Types), as it does the styles
 * in it. Here the nodes themselves are kept beside the text.
 */
export class Squire extends Base {
  /** states are the nodes of what is kept. They are declared alone, since the constructor above keeps the first. */
  declare private states: Map<string, Node>;

  override _recordUndoState(range: Range, replace?: boolean): Base {
    super._recordUndoState(range, replace);
    const html = this._undoStack[this._undoIndex];
    this.states ??= new Map();
    if (html !== undefined && html === this._root.innerHTML) this.states.set(html, this._root.cloneNode(true));
    if (this.states.size > 2 * mostStates) {
      for (const old of this.states.keys()) if (!this._undoStack.includes(old)) this.states.delete(old);
    }
    return this;
  }

  override _setRawHTML(html: string): Base {
    const root = this._root;
    Object.defineProperty(root, "innerHTML", { configurable: true, set: () => root.replaceChildren(...(this.states.get(html)?.cloneNode(true).childNodes ?? [])) });
    try {
      return super._setRawHTML(html);
    } finally {
      delete (root as Partial<HTMLElement>).innerHTML;
    }
  }
}

/** undo is the setting of that. */
export const undo = { documentSizeThreshold: 0, undoLimit: mostStates };
