import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** A Chromium that is on this machine already: nothing is ever downloaded. */
const candidates = [
  process.env['HOLDFAST_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
export const chromiumPath = candidates.find((path) => path !== undefined && existsSync(path));
/** Why browser tests are left out, for the name of what is skipped. */
export const withoutChromium = chromiumPath === undefined ? ' (skipped: no Chromium here; set HOLDFAST_CHROMIUM)' : '';

export const viewports = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
} as const;
export type Viewport = keyof typeof viewports;

/** Pictures for people to look at; git ignores the folder. Where nobody looks (`.ci/run`), only of what failed. */
const pictureFolder = join(import.meta.dirname, '../../.artefacts/pictures');
const takesPictures = process.env['HOLDFAST_PICTURES'] !== 'off';
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function launch(): Promise<Browser> {
  mkdirSync(pictureFolder, { recursive: true });
  return chromium.launch({
    executablePath: chromiumPath as string,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

/** What is seen of a page while it is used. */
export interface Watch {
  readonly page: Page;
  /** Errors and warnings of the console, uncaught errors, and replies of 500 and more. */
  readonly complaints: string[];
  /** Serious and critical findings of axe, as `rule: element`. */
  findings(): Promise<string[]>;
  /** How far content has jumped since the page was loaded (cumulative layout shift, web.dev/cls); see `watchPage`. */
  shift(): Promise<number>;
  /** What has jumped, and from where to where. */
  jumps(): Promise<readonly string[]>;
  picture(name: string): Promise<void>;
  /** The same, whether pictures are wanted or not. */
  pictureOfFailure(name: string): Promise<void>;
  /**
   * What axe finds of colours when the page that is open goes dark, and a picture of that; afterwards it is light again. All
   * else is the same in the dark, since styles alone ask for it.
   */
  findingsInTheDark(name: string): Promise<string[]>;
}

export interface Visit extends Watch {
  readonly context: BrowserContext;
}

export async function visit(
  browser: Browser,
  viewport: Viewport,
  options: { readonly origin: string; readonly dark?: boolean; readonly locale?: string },
): Promise<Visit> {
  const context = await browser.newContext({
    baseURL: options.origin,
    viewport: viewports[viewport],
    locale: options.locale ?? 'en-IE',
    timezoneId: 'Europe/Dublin',
    colorScheme: options.dark ? 'dark' : 'light',
    hasTouch: viewport === 'phone',
    // axe is brought in as text; what the policy keeps out of the pages themselves is in `complaints`.
    bypassCSP: false,
  });
  const page = await context.newPage();
  // For what hangs, not for what is slow.
  page.setDefaultTimeout(120_000);
  return { context, ...(await watch(page, `${viewport}${options.dark ? '-dark' : ''}`)) };
}

/** `kind` ends the names of pictures. */
export async function watch(page: Page, kind: string): Promise<Watch> {
  await page.addInitScript(watchPage);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('response', (reply) => {
    if (reply.status() >= 500) complaints.push(`${reply.status()} ${reply.url()}`);
  });
  async function photograph(name: string): Promise<void> {
    await page.screenshot({ path: join(pictureFolder, `${name}-${kind}.png`) });
  }
  const picture = takesPictures ? photograph : async () => {};
  async function find(rules: readonly string[]): Promise<string[]> {
    if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axeSource);
    await page.evaluate(untilAtRest);
    return page.evaluate(findInPage, rules);
  }
  return {
    page,
    complaints,
    findings: () => find(allRules),
    async findingsInTheDark(name) {
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.evaluate(untilAtRest);
      await picture(`${name}-dark`);
      const found = await find(colourRules);
      await page.emulateMedia({ colorScheme: 'light' });
      return found;
    },
    shift: () => page.evaluate(() => (globalThis as unknown as Watched).layoutShift),
    jumps: () => page.evaluate(() => (globalThis as unknown as Watched).jumps),
    picture,
    pictureOfFailure: photograph,
  };
}

/** Tags of rules, or rules. */
const allRules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const colourRules = ['color-contrast', 'link-in-text-block'];

interface AxeRunner {
  run(
    context: unknown,
    options: unknown,
  ): Promise<{
    violations: {
      id: string;
      impact: string | null;
      nodes: { html: string; failureSummary?: string }[];
    }[];
  }>;
}

/**
 * Runs in the page, so that only what is wrong leaves it; and of what passes nothing is worked out but that it does. The
 * same findings for two fifths of the time, on a table of 60 rows.
 */
async function findInPage(runOnly: readonly string[]): Promise<string[]> {
  const { violations } = await (globalThis as unknown as { axe: AxeRunner }).axe.run(document, {
    runOnly,
    resultTypes: ['violations'],
  });
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary ?? ''}`),
    );
}

/** Runs in the page: what fades in, or from light to dark, has little contrast on its way. Spinners never rest. */
async function untilAtRest(): Promise<void> {
  const ending = document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity);
  await Promise.allSettled(ending.map(({ finished }) => finished));
}

export interface Watched {
  layoutShift: number;
  jumps: string[];
  largestPaintMs: number;
}

interface LayoutShift extends PerformanceEntry {
  readonly value: number;
  readonly hadRecentInput: boolean;
  readonly sources: readonly {
    readonly node: Node | null;
    readonly previousRect: DOMRectReadOnly;
    readonly currentRect: DOMRectReadOnly;
  }[];
}

/**
 * Runs in the page, before anything of its own. Browsers forgive whatever moves within half a second of a click or a key, so
 * the same page would jump where replies are slow and not where they are quick. Here what an input does at once is forgiven,
 * however long that takes, and what a reply does is not, however soon it comes: none is handed over before what the input did
 * has been painted.
 */
function watchPage(): void {
  const watched = globalThis as unknown as Watched;
  watched.layoutShift = 0;
  watched.jumps = [];
  watched.largestPaintMs = 0;
  const inputs: { readonly atMs: number; paintedMs: number }[] = [];
  const repliesMs: number[] = [];
  const nextFrame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
  for (const type of ['pointerdown', 'pointerup', 'click', 'keydown', 'keyup']) {
    addEventListener(
      type,
      async ({ timeStamp }) => {
        const input = { atMs: timeStamp, paintedMs: Number.POSITIVE_INFINITY };
        inputs.push(input);
        await nextFrame();
        input.paintedMs = await nextFrame();
      },
      { capture: true },
    );
  }
  const { fetch } = globalThis;
  globalThis.fetch = async (...request) => {
    try {
      return await fetch(...request);
    } finally {
      while (inputs.at(-1)?.paintedMs === Number.POSITIVE_INFINITY) await nextFrame();
      repliesMs.push(performance.now());
    }
  };
  const isExpected = ({ startTime, hadRecentInput }: LayoutShift) => {
    const input = inputs.findLast(({ atMs }) => atMs <= startTime);
    if (!input || repliesMs.some((atMs) => atMs > input.atMs && atMs <= startTime)) return false;
    return hadRecentInput || startTime <= input.paintedMs;
  };
  const round = ({ x, y, width, height }: DOMRectReadOnly) => [x, y, width, height].map(Math.round).join(' ');
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as LayoutShift[]) {
      if (isExpected(entry)) continue;
      watched.layoutShift += entry.value;
      for (const { node, previousRect, currentRect } of entry.sources) {
        const text = (node?.textContent ?? '').trim().replaceAll(/\s+/g, ' ').slice(0, 60);
        const name = node instanceof Element ? `${node.tagName}.${node.className}` : node?.nodeName;
        watched.jumps.push(
          `${entry.value.toFixed(3)} ${name} “${text}” ${round(previousRect)} → ${round(currentRect)}`,
        );
      }
    }
  }).observe({ type: 'layout-shift', buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) watched.largestPaintMs = entry.startTime;
  }).observe({ type: 'largest-contentful-paint', buffered: true });
}
