import { parseArgs } from 'node:util';
import { benchCheckout } from './checkout.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    clients: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const name = positionals[0] ?? 'checkout';
const say = (line: string) => process.stderr.write(`${line}\n`);
const report = await benchCheckout({
  clients: (values.clients ?? '1,8,32,128').split(',').map(Number),
  rounds: Number(values.rounds ?? 3),
  warmUpMs: 1_000,
  measureMs: Number(values.seconds ?? 3) * 1_000,
  onProgress: say,
});
process.stdout.write(`${JSON.stringify(report, null, values.json ? 0 : 2)}\n`);
void name;
