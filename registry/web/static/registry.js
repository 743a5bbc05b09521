// Enhancements of the pages. Every page works without JavaScript.
"use strict";
(() => {
  const live = () => document.getElementById("live");
  const say = (text) => { const region = live(); if (region) region.textContent = text; };

  // Buttons that copy exist only where they work.
  const showCopies = (root) => root.querySelectorAll("button[data-copy]").forEach((button) => { button.hidden = false; });

  // Exact times in the time of this browser, where the settings say so.
  const showTimes = (root) => {
    if (document.documentElement.dataset.times !== "local") return;
    root.querySelectorAll("time[datetime]").forEach((time) => {
      const text = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
      if (time.title) time.title = text; else time.textContent = text;
    });
  };

  // Distances of times in the steps and by the clock of the server, kept as of now. Only these have a title.
  const skew = Date.parse(document.documentElement.dataset.now) - Date.now();
  const STEPS = [[60, 1, "second"], [3600, 60, "minute"], [86400, 3600, "hour"], [5184000, 86400, "day"], [63072000, 2592000, "month"], [Infinity, 31536000, "year"]];
  const ago = (moment) => {
    const seconds = (Date.now() + skew - moment) / 1000, distance = Math.abs(seconds);
    if (distance < 5) return "just now";
    const [, unit, name] = STEPS.find(([limit]) => distance < limit);
    const count = Math.floor(distance / unit), text = `${count} ${name}${count === 1 ? "" : "s"}`;
    return seconds >= 0 ? `${text} ago` : `in ${text}`;
  };
  setInterval(() => document.querySelectorAll("time[title]").forEach((time) => { time.textContent = ago(Date.parse(time.dateTime)); }), 60000);

  const prepare = (root) => { showCopies(root); showTimes(root); };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say("Copied.");
    } catch {
      say("The browser did not allow copying.");
    }
  });

  // Ctrl K leads to the search box.
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      const box = document.getElementById("search");
      if (box) { event.preventDefault(); box.focus(); box.select(); }
    }
  });

  // A form is sent once: a second click finds the button disabled. Going back enables it again.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    setTimeout(() => form.querySelectorAll("button[type=submit]").forEach((button) => { button.disabled = true; }));
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("button[disabled][type=submit]").forEach((button) => { button.disabled = false; });
  });

  // Dialogs: a link with data-dialog opens its page's main block in the dialog.
  const dialog = () => document.getElementById("dialog");
  document.addEventListener("htmx:after:swap", (event) => {
    const box = dialog();
    prepare(document);
    if (box && box.childElementCount && !box.open) box.showModal();
    const wrong = box && box.open ? box.querySelector("[aria-invalid=true], #refusal") : null;
    if (wrong) wrong.focus();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]") && dialog()?.open) { event.preventDefault(); dialog().close(); }
  });
  document.addEventListener("close", (event) => { if (event.target === dialog()) dialog().replaceChildren(); }, true);

  // Live parts: every 10 s while the tab is seen, every 60 s after ten quiet minutes.
  const isFilledIn = (part) => [...part.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue)
    || [...part.querySelectorAll("option")].some((option) => option.selected !== option.defaultSelected);
  const pollLive = async (part) => {
    if (document.hidden || dialog()?.open || part.contains(document.activeElement) || isFilledIn(part)) return;
    let reply;
    try {
      const headers = { "HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": `div#${part.id}`, "If-None-Match": part.dataset.tag };
      reply = await fetch(part.dataset.live, { headers, credentials: "same-origin" });
    } catch {
      return;
    }
    if (reply.status === 401) { location.reload(); return; }
    if (reply.status !== 200) return;
    const template = document.createElement("template");
    template.innerHTML = await reply.text();
    part.replaceChildren(template.content);
    part.dataset.tag = reply.headers.get("ETag") || part.dataset.tag;
    part.dataset.changed = String(Date.now());
    window.htmx?.process?.(part);
    prepare(part);
    say("This page was updated.");
  };
  const begun = Date.now();
  let beat = 0;
  setInterval(() => {
    beat += 1;
    document.querySelectorAll("[data-live]").forEach((part) => {
      const changed = Number(part.dataset.changed || begun);
      if (Date.now() - changed < 600000 || beat % 6 === 0) pollLive(part);
    });
  }, 10000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) document.querySelectorAll("[data-live]").forEach(pollLive); });

  // A slider of instants shows the one at its place.
  document.addEventListener("input", (event) => {
    const steps = event.target.dataset.steps?.split(" ");
    if (!steps) return;
    const at = steps[Number(event.target.value)];
    event.target.setAttribute("aria-valuetext", at);
    const shown = event.target.form.querySelector("output");
    if (shown) shown.textContent = at;
  });

  // What waits for a response is busy, and shows it after a moment.
  const endBusy = () => document.querySelectorAll("[aria-busy]").forEach((part) => part.removeAttribute("aria-busy"));
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => [ctx.sourceElement, ctx.target].forEach((part) => part?.setAttribute("aria-busy", "true")));
  document.addEventListener("htmx:after:swap", endBusy);
  document.addEventListener("htmx:finally:request", endBusy);

  // Failed requests.
  document.addEventListener("htmx:error", () => say("The request failed; nothing was changed."));
  document.addEventListener("htmx:response:error", () => say("The request failed; nothing was changed."));

  // Addresses that MLflow's interface has: #/models/fraud/versions/7
  if (location.hash.startsWith("#/models/")) location.replace(location.hash.slice(1));

  document.addEventListener("DOMContentLoaded", () => {
    prepare(document);
    document.querySelector("[aria-invalid=true], #refusal")?.focus();
  });
  if (document.readyState !== "loading") prepare(document);
})();
