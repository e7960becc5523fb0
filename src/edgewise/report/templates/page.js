(function () {
  var root = document.documentElement, button = document.getElementById("theme");
  function dark() {
    var set = root.getAttribute("data-theme");
    return set ? set === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function label() { button.textContent = dark() ? "Light" : "Dark"; }
  try { var kept = localStorage.getItem("edgewise-theme"); if (kept === "dark" || kept === "light") root.setAttribute("data-theme", kept); } catch (e) {}
  button.hidden = false;
  button.addEventListener("click", function () {
    var next = dark() ? "light" : "dark";
    root.setAttribute("data-theme", next);
    try { localStorage.setItem("edgewise-theme", next); } catch (e) {}
    label();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (d) { d.open = true; });
  });
  label();
})();
