/* Loaded between require.js and embed-amd.js, on pages with saved widgets only. */

// The widgets' icon fonts lie beside their script, not on another machine.
requirejs.config({ paths: { "@jupyter-widgets/html-manager/dist": new URL("vendor", document.currentScript.src).href } });

// Widgets ask MathJax 2 to typeset their labels; the pages have MathJax 3.
addEventListener("DOMContentLoaded", () => {
  if (window.MathJax) MathJax.Hub ??= { Queue: ([, , element]) => MathJax.typesetPromise?.([element]) };
});
