// A page in Chromium: how it looks, and what axe finds. Its one argument is JSON:
//   url        the page
//   widths     of the window, in pixels
//   pictures   folder for a picture of each width and colour scheme, or nothing
//   at         where its host really is, such as 127.0.0.1:8000, or nothing
//   scale      pixels of a picture for each of these
//   spoil      HTML to add, for a planted error
// It prints JSON: a view for each width and scheme, and what was requested on the way. A view says what axe found,
// whether the page is wider than the window, and how many scripts and forms it has.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const task = JSON.parse(process.argv[2]);
const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-dev-shm-usage", ...(task.at ? [`--host-resolver-rules=MAP * ${task.at}`] : [])],
});
const seen = { views: [], requests: [], complaints: [] };
try {
  for (const width of task.widths) {
    for (const scheme of ["light", "dark"]) {
      const page = await browser.newPage();
      page.on("request", (request) => seen.requests.push(request.url()));
      page.on("console", (said) => seen.complaints.push(said.text()));
      page.on("pageerror", (error) => seen.complaints.push(String(error)));
      await page.setJavaScriptEnabled(false);
      await page.setViewport({ width, height: 900, deviceScaleFactor: task.scale ?? 1 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const answer = await page.goto(task.url, { waitUntil: "load" });
      if (task.pictures) await page.screenshot({ path: join(task.pictures, `${width}-${scheme}.png`), fullPage: true });
      await page.setJavaScriptEnabled(true); // for axe: the page itself was loaded without
      await page.reload({ waitUntil: "load" });
      if (task.spoil) await page.evaluate((html) => document.body.insertAdjacentHTML("beforeend", html), task.spoil);
      await page.evaluate(axe);
      const view = await page.evaluate(async () => {
        const { violations, incomplete } = await window.axe.run();
        const told = (found) => found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
        const root = document.documentElement;
        return {
          found: told(violations),
          unsure: told(incomplete),
          wide: root.scrollWidth > root.clientWidth,
          active: document.querySelectorAll("script, form, input, textarea, iframe, object").length,
          title: document.title,
          text: document.body.innerText,
          background: getComputedStyle(document.body).backgroundColor,
        };
      });
      seen.views.push({ width, scheme, status: answer.status(), ...view });
      await page.close();
    }
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
