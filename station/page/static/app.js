// Which view an address means, and what stands around it: the header, the login, faults.

import { get, post, Refused } from "./api.js";
import { fill, make, setText } from "./dom.js";
import { Fleet } from "./fleet.js";
import { Node } from "./node.js";
import { about } from "./words.js";

const main = document.getElementById("main");
const fault = document.getElementById("fault");
let view = null;

// /node/<name>: one segment, whatever is in the name.
function wanted() {
  const found = /^\/node\/(.+)$/.exec(location.pathname);
  if (!found) return null;
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return found[1];
  }
}

function show() {
  view?.close();
  setText(fault, "");
  const node = wanted();
  document.title = node === null ? "Outpost" : `${node} – Outpost`;
  view = node === null ? new Fleet(main, failed) : new Node(main, node, failed);
  scrollTo(0, 0);
}

function failed(error) {
  if (error instanceof Refused) {
    if (error.status !== 401) setText(fault, error.message);
  } else if (error.name !== "AbortError") {
    throw error;
  }
}

function broker(state) {
  about.broker = state;
  setText(document.getElementById("link"), state.connected ? "" : `Store only: ${state.why}`);
}

async function begin() {
  try {
    const found = await get("about");
    document.getElementById("logout").hidden = !found.user;
    if (found.login && !found.user) return login();
    Object.assign(about, found);
    broker(found.broker);
    show();
  } catch (error) {
    failed(error);
    setTimeout(begin, 5000);
  }
}

function login() {
  view?.close();
  view = null;
  setText(fault, "");
  document.title = "Log in – Outpost";
  const user = make("input", { name: "user", autocomplete: "username", required: true, autofocus: true });
  const password = make("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const said = make("p", { role: "alert", class: "wrong" });
  const button = make("button", { type: "submit" }, "Log in");
  const form = make("form", { class: "login card" }, make("h1", {}, "Log in"), make("label", {}, "User", user), make("label", {}, "Password", password), said, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await post("login", { user: user.value, password: password.value });
      await begin();
    } catch (error) {
      setText(said, error.message);
      password.select();
    } finally {
      button.disabled = false;
    }
  });
  fill(main, form);
  user.focus();
}

// Links within the page change the view, not the document.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || to.hash || !(to.pathname === "/" || to.pathname.startsWith("/node/"))) return;
  event.preventDefault();
  history.pushState(null, "", to);
  show();
  main.focus();
});

addEventListener("popstate", show);
document.addEventListener("login", login);
document.addEventListener("broker", (event) => broker(event.detail));
document.addEventListener("connected", (event) => {
  if (event.detail) broker(about.broker);
  else setText(document.getElementById("link"), "Connecting …");
});
document.getElementById("logout").addEventListener("click", async () => {
  await post("logout", {}).catch(failed);
  begin();
});

const button = document.getElementById("theme");

function themed() {
  setText(button, `Theme: ${document.documentElement.dataset.theme}`);
  document.dispatchEvent(new Event("theme"));
}

button.addEventListener("click", () => {
  setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  themed();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
themed();
begin();
