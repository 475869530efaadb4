import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';

/** Places in the code that have been looked up; more than these are looked up anew. */
const placesMax = 10_000;

/**
 * Lets stack traces of a bundled process name the lines that people wrote. Node's own --enable-source-maps reads every map
 * when its module loads, which costs a process 0.1 s and 50 MB; here a map is read when the first trace is looked at.
 *
 * Not only errors are looked at: Stripe's library asks for the trace of every call, which took a tenth of the processor time of
 * payments. So places are remembered.
 */
export function showWrittenLines(): void {
  const maps = new Map<string, SourceMap | undefined>();
  const places = new Map<string, string>();

  function mapOf(file: string): SourceMap | undefined {
    if (!maps.has(file)) maps.set(file, readMap(file));
    return maps.get(file);
  }

  function remembered(site: NodeJS.CallSite): string {
    const shown = String(site);
    const known = places.get(shown);
    if (known !== undefined) return known;
    if (places.size >= placesMax) places.clear();
    const place = written(site, shown);
    places.set(shown, place);
    return place;
  }

  function written(site: NodeJS.CallSite, shown: string): string {
    const [url, line, column] = [site.getScriptNameOrSourceURL(), site.getLineNumber(), site.getColumnNumber()];
    if (!url?.startsWith('file:') || line === null || column === null) return shown;
    const entry = mapOf(url)?.findEntry(line - 1, column - 1);
    if (!entry || !('originalSource' in entry)) return shown;
    const at = `${new URL(entry.originalSource, url).href}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    return shown.replace(`${url}:${line}:${column}`, at);
  }

  Error.prepareStackTrace = (error, sites) =>
    [String(error), ...sites.map((site) => `    at ${remembered(site)}`)].join('\n');
}

function readMap(url: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(new URL(`${url}.map`), 'utf8')));
  } catch {
    // Not one of the bundle's: its lines are those that were written.
    return undefined;
  }
}
