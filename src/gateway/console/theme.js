// Before anything is drawn, so that a page that is wanted dark is never light first.
(() => {
  const known = ["light", "dark"];
  let wanted = null;
  try {
    wanted = localStorage.getItem("dex.theme");
  } catch {
    // Storage is closed: the system's theme it is.
  }
  if (known.includes(wanted)) document.documentElement.dataset.theme = wanted;
})();
