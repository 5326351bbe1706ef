// Before anything is drawn: the theme that was chosen on this device, else the system's.
"use strict";

const THEMES = ["system", "light", "dark"];

function theme() {
  try {
    const found = localStorage.getItem("theme");
    return THEMES.includes(found) ? found : "system";
  } catch {
    return "system"; // storage is forbidden
  }
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("theme", name);
  } catch {
    // it holds until the page is left
  }
}

document.documentElement.dataset.theme = theme();
