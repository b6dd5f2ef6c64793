// A person with Chromium. Its one argument is JSON:
//   url        what a client opens
//   callback   where the client waits; nothing needs to listen there
//   person     who logs in
//   deny       whether they refuse at the connector's page
//   frame      instead of all that: another site's page, which shows `url` in a frame
//   pictures   folder for pictures of the pages that the connector and its stand-ins make
//   insecure   whether certificates of unknown authorities are good
// It prints JSON: the URL at which the client is reached, the pages on the way with what they said and the cookies that
// they left, and what the console complained about.
import { createServer } from "node:http";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const task = JSON.parse(process.argv[2]);
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  headless: true,
  acceptInsecureCerts: Boolean(task.insecure),
  args: ["--no-sandbox", "--disable-dev-shm-usage", ...(task.insecure ? ["--ignore-certificate-errors"] : [])],
});
const seen = { reached: null, pages: [], complaints: [], frames: [] };
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 900, height: 800 });
  page.on("console", (said) => {
    const icon = said.location().url?.endsWith("/favicon.ico"); // browsers ask every site for one
    if (["error", "warn"].includes(said.type()) && !icon) seen.complaints.push({ page: page.url(), text: said.text() });
  });
  page.on("pageerror", (error) => seen.complaints.push({ page: page.url(), text: String(error) }));
  page.on("dialog", (dialog) => {
    seen.complaints.push({ page: page.url(), text: `a dialog: ${dialog.message()}` });
    dialog.dismiss();
  });
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const url = request.url();
    if (url.startsWith(task.callback)) {
      seen.reached ??= url;
      request.respond({ status: 200, contentType: "text/plain", body: "back at the client" });
    } else if (["127.0.0.1", "localhost", ""].includes(new URL(url).hostname)) request.continue();
    else request.abort(); // nothing leaves this machine
  });

  if (task.frame) {
    const html = `<h1>Win a prize</h1><iframe src="${task.url}" width="800" height="600"></iframe>`;
    const site = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(html));
    await new Promise((ready) => site.listen(0, "127.0.0.1", ready));
    await page.goto(`http://localhost:${site.address().port}/`, { waitUntil: "load" });
    site.close();
    for (const frame of page.frames().slice(1)) {
      const text = await frame.evaluate(() => document.body?.innerText ?? "").catch(() => "");
      seen.frames.push({ url: frame.url(), text });
    }
  } else {
    await page.goto(task.url, { waitUntil: "load" });
    for (let step = 0; step < 8 && !seen.reached; step++) {
      const consent = await page.$("#consentForm");
      for (const more of await page.$$("summary")) await more.click(); // what is folded away
      const own = consent || (await page.title()) === "Development login";
      if (own && task.pictures) {
        await page.screenshot({ path: join(task.pictures, `${consent ? "consent" : "login"}.png`), fullPage: true });
      }
      const cookies = (await browser.cookies()).map(({ name, secure, httpOnly, sameSite, domain, path }) => ({
        name,
        secure,
        httpOnly,
        sameSite,
        domain,
        path,
      }));
      seen.pages.push({ url: page.url(), text: await page.evaluate(() => document.body.innerText), cookies });
      for (const name of ["login", "person", "password"]) {
        const field = await page.$(`input[name="${name}"]`);
        if (field) await field.evaluate((input, value) => (input.value = value), task.person);
      }
      const button = consent ? `button[value="${task.deny ? "deny" : "approve"}"]` : "form button";
      if (!(await page.$(button))) break;
      await Promise.all([page.waitForNavigation({ waitUntil: "load" }), page.click(button)]);
    }
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
