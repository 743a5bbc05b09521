// Suggestions under search boxes. Without this file each box is a plain field of its form.
(() => {
  "use strict";
  const WAIT = 120;
  let count = 0;

  const points = (text) => [...text];

  class Combobox {
    constructor(input) {
      this.input = input;
      this.items = [];
      this.active = -1;
      this.list = document.createElement("ul");
      this.list.id = `suggestions-${(count += 1)}`;
      this.list.className = "suggestions";
      this.list.setAttribute("role", "listbox");
      this.list.setAttribute("aria-label", "Suggestions");
      this.list.hidden = true;
      input.after(this.list);
      for (const [name, value] of Object.entries({
        role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id,
      })) input.setAttribute(name, value);
      input.addEventListener("input", () => this.ask());
      input.addEventListener("keydown", (event) => this.press(event));
      input.addEventListener("blur", () => this.close());
      // A press must not take the focus from the field before the choice is made.
      this.list.addEventListener("mousedown", (event) => event.preventDefault());
      this.list.addEventListener("click", (event) => {
        const option = event.target.closest("[role=option]");
        if (option) this.choose(Number(option.dataset.place));
      });
    }

    ask() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.fetch(), WAIT);
    }

    async fetch() {
      this.asked?.abort();
      const asked = (this.asked = new AbortController());
      const text = this.input.value;
      const caret = points(text.slice(0, this.input.selectionStart ?? text.length)).length;
      const query = new URLSearchParams({ q: text, caret: String(caret), of: this.input.dataset.of || "versions" });
      try {
        const reply = await fetch(`${this.input.dataset.complete}?${query}`, {
          headers: { Accept: "application/json" }, signal: asked.signal,
        });
        if (!reply.ok) return this.close();
        const found = await reply.json();
        if (asked === this.asked && this.input.value === text && document.activeElement === this.input) this.show(found);
      } catch {
        if (!asked.signal.aborted) this.close();
      }
    }

    show(found) {
      this.found = found;
      this.items = found.items;
      this.active = -1;
      this.input.removeAttribute("aria-activedescendant");
      this.list.replaceChildren(...this.items.map((item, place) => {
        const option = document.createElement("li");
        option.id = `${this.list.id}-${place}`;
        option.dataset.place = String(place);
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        const kind = document.createElement("span");
        kind.className = "quiet";
        kind.textContent = item.kind;
        option.append(item.text.trim(), " ", kind);
        return option;
      }));
      this.list.hidden = this.items.length === 0;
      this.input.setAttribute("aria-expanded", String(!this.list.hidden));
      const live = document.getElementById("live");
      if (live && this.items.length) live.textContent = `${this.items.length} suggestion${this.items.length === 1 ? "" : "s"}`;
    }

    press(event) {
      if (event.isComposing) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (this.list.hidden) return void this.fetch();
        this.move(event.key === "ArrowDown" ? 1 : -1);
      } else if (event.key === "Enter" && !this.list.hidden && this.active >= 0) {
        event.preventDefault();
        this.choose(this.active);
      } else if (event.key === "Escape" && !this.list.hidden) {
        event.preventDefault();
        this.close();
      }
    }

    move(step) {
      const size = this.items.length + 1; // the field itself is one of the places
      this.active = ((this.active + 1 + step + size) % size) - 1;
      for (const option of this.list.children) {
        const isActive = Number(option.dataset.place) === this.active;
        option.setAttribute("aria-selected", String(isActive));
        if (isActive) option.scrollIntoView({ block: "nearest" });
      }
      if (this.active < 0) this.input.removeAttribute("aria-activedescendant");
      else this.input.setAttribute("aria-activedescendant", `${this.list.id}-${this.active}`);
    }

    choose(place) {
      const item = this.items[place];
      if (!item) return;
      if (item.href) return void location.assign(item.href);
      const letters = points(this.input.value);
      const before = letters.slice(0, this.found.start).join("") + item.text + (item.text.endsWith(".") ? "" : " ");
      this.input.value = before + letters.slice(this.found.end).join("").replace(/^ /, "");
      this.input.setSelectionRange(before.length, before.length);
      this.close();
      this.fetch();
    }

    close() {
      clearTimeout(this.timer);
      this.asked?.abort();
      this.items = [];
      this.active = -1;
      this.list.hidden = true;
      this.input.setAttribute("aria-expanded", "false");
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  const start = () => document.querySelectorAll("input[data-complete]:not([role])").forEach((input) => new Combobox(input));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
  // Going back replaces the page, and its fields.
  document.addEventListener("htmx:after:swap", start);
})();
