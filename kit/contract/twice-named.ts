const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

interface Level {
  /** Of an object: those that it has so far. */
  readonly names?: Set<string>;
  /** The name or the place in an array that is being read. */
  at: string | number;
  /** The next text is a name. */
  wantsName: boolean;
}

/** Where an object of this JSON has a name for the second time, as RFC 6901 pointer; undefined when none has. */
export function findTwiceNamed(json: string): string | undefined {
  const levels: Level[] = [];
  for (const [token] of json.matchAll(tokens)) {
    const level = levels.at(-1);
    if (token === '{') levels.push({ names: new Set(), at: '', wantsName: true });
    else if (token === '[') levels.push({ at: 0, wantsName: false });
    else if (token === '}' || token === ']') levels.pop();
    else if (token === ',' && level) moveOn(level);
    else if (level?.names && level.wantsName) {
      level.at = JSON.parse(token) as string;
      level.wantsName = false;
      if (level.names.has(level.at)) return pointerOf(levels);
      level.names.add(level.at);
    }
  }
  return undefined;
}

function moveOn(level: Level): void {
  if (level.names) level.wantsName = true;
  else if (typeof level.at === 'number') level.at += 1;
}

const pointerOf = (levels: readonly Level[]): string =>
  levels.map(({ at }) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
