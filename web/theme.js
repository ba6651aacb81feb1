// Runs before the first paint, so that a chosen theme does not flash. On the root element, data-theme is the choice ("light"
// or "dark"; absent: as the system) and data-scheme what the style sheet goes by; a "themechange" event follows a new choice.
(() => {
  const root = document.documentElement;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    root.dataset.scheme = root.dataset.theme ?? (systemIsDark.matches ? "dark" : "light");
  };
  let theme = null;
  try {
    theme = localStorage.getItem("shoplake.theme");
  } catch {
    // Storage may be switched off; the system's preference stands.
  }
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  apply();
  systemIsDark.addEventListener("change", apply);
  root.addEventListener("themechange", apply);
})();
