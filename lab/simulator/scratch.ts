import { createImages } from './pglite/image.ts';
import { runSeed } from './run.ts';
import { imageDescriptions } from './shop.ts';

let t = performance.now();
const images = new Map((await createImages(imageDescriptions)).map((i) => [i.name, i]));
console.log('images', performance.now() - t);
const [from, to] = (process.argv[2] ?? '1..5').split('..').map(Number);
for (let seed = from!; seed <= to!; seed++) {
  t = performance.now();
  const r = await runSeed({ seed, images, keepTrace: process.argv[3] === 'trace' });
  console.log(
    seed,
    r.digest,
    (performance.now() - t).toFixed(0) + ' ms',
    r.eventCount,
    'events',
    r.statementCount,
    'sql',
    JSON.stringify(r.orders),
    (r.simulatedMs / 1000).toFixed(0) + 's',
    JSON.stringify(r.faults),
  );
  for (const v of r.violations) console.log('   !', v.check, '|', v.detail.slice(0, 600));
  if (process.argv[3] === 'trace')
    for (const e of r.trace)
      console.log(e.atMs.toFixed(2), e.kind, (e.from ? e.from + '>' : '') + e.node, e.text, e.detail ?? '');
}
process.exit(0);
