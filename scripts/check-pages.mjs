// Opens the pages of a running daemon in Chromium: check-pages starts both.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';

const { CHROMIUM, TOOLS, SITE, STATIC, PICTURES } = process.env;
const require = createRequire(join(TOOLS, 'node_modules', 'x'));
const { chromium } = require('playwright-core');
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

let faults = 0;
const fault = (what) => {
  faults++;
  console.log(`FAULT ${what}`);
};
const expect = (ok, what) => ok || fault(what);

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-proxy-server', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
});

// open makes a page that reports whatever a visitor must not meet.
async function open(options = {}, origin = new URL(SITE).origin) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on('console', (m) => {
    // Chromium says so itself of a page that is answered with 404.
    if (!(m.text().startsWith('Failed to load resource') && m.location().url === page.url())) fault(`${page.url()}: console: ${m.text()}`);
  });
  page.on('pageerror', (e) => fault(`${page.url()}: ${e}`));
  page.on('dialog', (d) => {
    fault(`${page.url()}: a dialog: ${d.message()}`);
    d.dismiss();
  });
  page.on('request', (r) => {
    if (new URL(r.url()).origin !== origin) fault(`${page.url()}: a request for ${r.url()}`);
  });
  page.on('response', (r) => {
    if (r.status() >= 400 && r.url() !== page.url() && !r.request().isNavigationRequest()) fault(`${page.url()}: ${r.status()} for ${r.url()}`);
  });
  return page;
}

// part runs a part of the checks; what it waits for in vain is a fault.
async function part(name, run) {
  try {
    await run();
  } catch (e) {
    fault(`${name}: ${e.message.split('\n')[0]}: ${e.stack.match(/check-pages\.mjs:\d+/)?.[0]}`);
  }
  console.log(name);
}

const kinds = {
  start: '/',
  tag: '/tags/spaceflight/',
  actor: '/actors/zo%C3%AB-%C3%A5ngstr%C3%B6m/',
  tags: '/tags/',
  actors: '/actors/',
  event: '/events/2024/2024-03-29-xz-utils-backdoor-found/',
  history: '/events/pages/accent/',
  harm: '/events/pages/harm/',
  find: '/find/',
  found: '/find/?q=na',
  form: '/build/',
  answer: '/build/?tag=spaceflight&any_actor=NASA&min_importance=5',
  refused: '/build/?from=2025-02-01&to=2025-01-01',
  missing: '/tags/spacefligth/',
};

for (const width of [390, 1280]) {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open({ viewport: { width, height: 900 }, colorScheme });
    for (const [kind, path] of Object.entries(kinds)) {
      const name = `${kind}-${width}-${colorScheme}`;
      const response = await page.goto(SITE + path, { waitUntil: 'load' });
      expect(response.status() === (kind === 'missing' ? 404 : 200), `${name}: status ${response.status()}`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run());
      for (const v of violations) fault(`${name}: axe: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide <= width, `${name}: it is ${wide} pixels wide`);
      if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
    }
    expect(await page.title() !== 'hacked', 'a script of an event ran');
    await page.context().close();
    console.log(`${Object.keys(kinds).length} kinds of pages, ${width} pixels, ${colorScheme}`);
  }
}

// focused says which element has the focus.
const focused = (page, selector) => page.evaluate((s) => document.activeElement.matches(s), selector);

// An actor with accents, without them, by keyboard alone.
await part('search, copying and filter', async () => {
  const page = await open();
  await page.goto(`${SITE}/`);
  await page.keyboard.press('Tab');
  expect(await focused(page, '.skip'), 'the first stop is not the skip link');
  for (let i = 0; i < 20 && !(await focused(page, '#q')); i++) await page.keyboard.press('Tab');
  expect(await focused(page, '#q'), 'no Tab leads to the search field');
  await page.keyboard.type('zoe angstrom');
  await page.waitForSelector('[role=option]');
  expect((await page.locator('[role=option]').count()) === 1, 'the search finds more than the actor');
  await page.keyboard.press('Escape');
  expect(!(await page.locator('[role=listbox]').isVisible()), 'Escape does not close the suggestions');
  await page.keyboard.press('ArrowDown');
  await page.waitForSelector('[role=option]');
  await page.keyboard.press('ArrowDown');
  expect((await page.getAttribute('#q', 'aria-activedescendant')) === 'q-list-0', 'no option is active');
  await page.evaluate(axe);
  for (const v of (await page.evaluate(() => axe.run())).violations) fault(`suggestions: axe: ${v.id}: ${v.help}`);
  if (PICTURES) await page.screenshot({ path: join(PICTURES, 'suggestions.png') });
  await page.keyboard.press('Enter');
  await page.waitForURL('**/actors/zo%C3%AB-%C3%A5ngstr%C3%B6m/');
  expect((await page.textContent('h1')) === 'Zoë Ångström', 'the actor page has another heading');

  // The feed's address is copied.
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(SITE).origin });
  await page.click('button.copy');
  await page.waitForFunction(() => document.querySelector('.said').textContent === 'Copied');
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied === `${SITE}/feeds/actors/zo%C3%AB-%C3%A5ngstr%C3%B6m.atom`, `copied: ${copied}`);

  // A long list is filtered as it is typed.
  await page.goto(`${SITE}/actors/`);
  await page.fill('#filter', 'ANGSTR');
  await page.waitForFunction(() => document.querySelector('.shown').textContent === '1 name');
  expect((await page.locator('.letter li:visible').count()) === 1, 'the filter leaves more than one name');
  await page.context().close();
});

// The form leads to a feed that parses.
await part('the form', async () => {
  const page = await open();
  await page.goto(`${SITE}/build/`);
  await page.focus('#tag-0');
  await page.keyboard.type('SPACEF');
  await page.waitForSelector('#tag-0-list [role=option]');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  expect((await page.inputValue('#tag-0')) === 'spaceflight', 'the suggestion does not fill the field');
  await page.waitForSelector('#tag-1');
  await page.selectOption('#min', '6');
  await page.click('form.build button');
  await page.waitForSelector('.answer');
  const addresses = await page.locator('.answer .url').allTextContents();
  expect(addresses.length === 3, `${addresses.length} addresses`);
  for (const address of addresses) {
    const entries = await page.evaluate(async (url) => {
      const text = await (await fetch(url)).text();
      if (url.includes('.json')) return JSON.parse(text).items.length;
      const feed = new DOMParser().parseFromString(text, 'text/xml');
      return feed.querySelector('parsererror') ? -1 : feed.querySelectorAll('entry, item').length;
    }, address);
    expect(entries > 0, `${address}: ${entries} entries`);
  }
  await page.goto(`${SITE}/build/?tag=nosuchtag`);
  expect((await page.textContent('[role=alert]')).includes('nosuchtag'), 'the form does not say what is wrong');
  await page.context().close();
});

// What was changed is told.
await part('history and corrections', async () => {
  const page = await open();
  await page.goto(`${SITE}/events/pages/accent/`);
  const history = await page.textContent('.history');
  for (const word of ['Importance', '5', '7', 'Location', 'Kiruna', 'Abisko', 'Title', 'Corrected']) expect(history.includes(word), `the history lacks ${word}`);
  await page.goto(`${SITE}/tags/spaceflight/`);
  expect((await page.locator('.entries .mark').count()) === 1, 'the correction is not marked');
  await page.context().close();
});

// Without JavaScript.
await part('without JavaScript', async () => {
  const page = await open({ javaScriptEnabled: false });
  await page.goto(`${SITE}/`);
  expect(!(await page.locator('button.copy').first().isVisible()), 'there is a copy button without script');
  await page.fill('#q', 'zoe');
  await page.click('.find button');
  await page.waitForURL('**/find/?q=zoe');
  await page.click('.results a');
  await page.waitForURL('**/actors/zo%C3%AB-%C3%A5ngstr%C3%B6m/');
  await page.goto(`${SITE}/actors/`);
  expect(!(await page.locator('.filter').isVisible()), 'there is a filter without script');
  expect((await page.locator('.letter li').count()) > 70, 'names are missing');
  await page.goto(`${SITE}/build/`);
  await page.fill('#actor-0', 'zoe ångström');
  await page.fill('#tag-0', 'spaceflight');
  await page.click('form.build button');
  await page.waitForURL('**/build/?**');
  await page.context().close();
});

// The static folder, where nobody answers a question: find.js does.
await part('the static folder', async () => {
  const types = { html: 'text/html; charset=utf-8', css: 'text/css', js: 'text/javascript', json: 'application/json', svg: 'image/svg+xml' };
  const server = createServer(async (request, response) => {
    let path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
    if (path.endsWith('/')) path += 'index.html';
    try {
      const body = await readFile(join(STATIC, path));
      response.writeHead(200, { 'Content-Type': types[path.split('.').pop()] ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(404, { 'Content-Type': types.html }).end(await readFile(join(STATIC, 'timeline', '404.html')));
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const page = await open({}, origin);
  await page.goto(`${origin}/timeline/find/?q=angstrom`);
  await page.click('.results a');
  await page.waitForURL('**/actors/zo%C3%AB-%C3%A5ngstr%C3%B6m/');
  await page.goto(`${origin}/timeline/nothing/here/`);
  expect((await page.textContent('h1')) === 'Not found', 'the page 404.html is another');
  await page.context().close();
  server.close();
});

await browser.close();
if (faults > 0) {
  console.log(`${faults} faults`);
  process.exit(1);
}
console.log('no faults');
