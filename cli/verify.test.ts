import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A little house: what each file imports. Everything imported exists. */
type House = Readonly<Record<string, readonly string[]>>;

const sound: House = {
  'kit/store/index.ts': ['#kit/runtime'],
  'kit/runtime/index.ts': [],
  'kit/contract/index.ts': ['#kit/runtime'],
  'contracts/orders.ts': ['#kit/contract', './common.ts'],
  'contracts/common.ts': [],
  'services/orders/index.ts': ['#contracts/orders', '#kit/store', './model.ts'],
  'services/orders/model.ts': [],
  'services/orders/orders.test.ts': ['#services/payments', '#lab/crash'],
  'services/payments/index.ts': ['#kit/store', './sandbox/index.ts'],
  'services/payments/sandbox/index.ts': ['#kit/runtime'],
  'edge/gateway/index.ts': ['#contracts/orders', '#kit/contract'],
  'apps/console/main.ts': ['#contracts/orders'],
  'cli/main.ts': ['./up.ts', '#edge/gateway', '#lab/crash'],
  'cli/up.ts': ['#services/orders'],
  'lab/crash/index.ts': ['../../cli/up.ts', '#services/orders'],
};

/** Which rules the house breaks, as `rule: from → to`. */
function arrows(house: House): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'hf-arrows-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const file of ['package.json', '.dependency-cruiser.mjs']) cpSync(join(root, file), join(folder, file));
  for (const [path, imports] of Object.entries(house)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), imports.map((name) => `import '${name}';\n`).join(''));
  }
  const depcruise = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const folders = ['kit', 'contracts', 'services', 'edge', 'apps', 'lab', 'cli'];
  const args = ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', ...folders];
  const { stdout } = spawnSync(process.execPath, [depcruise, ...args], { cwd: folder, encoding: 'utf8' });
  const { summary } = JSON.parse(stdout) as Cruise;
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
}

interface Cruise {
  readonly summary: {
    readonly violations: readonly { readonly rule: { name: string }; readonly from: string; readonly to: string }[];
  };
}

test('a house that keeps to the arrows passes', () => {
  expect(arrows(sound)).toEqual([]);
});

test('every arrow against the direction is found, however it is written', () => {
  const planted = (file: string, ...imports: string[]) => ({ [file]: [...(sound[file] ?? []), ...imports] });
  const found = arrows({
    ...sound,
    ...planted('kit/store/index.ts', '#contracts/orders'),
    ...planted('contracts/common.ts', '#kit/store'),
    ...planted('services/orders/index.ts', '../payments/index.ts'),
    ...planted('services/payments/sandbox/index.ts', '#lab/crash'),
    ...planted('edge/gateway/index.ts', '#services/orders'),
    ...planted('apps/console/main.ts', '#kit/store'),
    'kit/runtime/clock.ts': ['./timers.ts'],
    'kit/runtime/timers.ts': ['./clock.ts'],
    'kit/runtime/ids.ts': ['./nowhere.ts'],
  });
  expect(found.filter((line) => !line.startsWith('no-circles'))).toEqual(
    expect.arrayContaining([
      'kit-knows-no-commerce: kit/store/index.ts → contracts/orders.ts',
      'contracts-need-only-kit-contract: contracts/common.ts → kit/store/index.ts',
      'services-never-import-one-another: services/orders/index.ts → services/payments/index.ts',
      'services-never-import-one-another: services/payments/sandbox/index.ts → lab/crash/index.ts',
      'nothing-imports-lab: services/payments/sandbox/index.ts → lab/crash/index.ts',
      'edge-needs-kit-and-contracts: edge/gateway/index.ts → services/orders/index.ts',
      'apps-need-contracts: apps/console/main.ts → kit/store/index.ts',
      'no-unknown-modules: kit/runtime/ids.ts → ./nowhere.ts',
    ]),
  );
  expect(found).toContain('no-circles: kit/runtime/clock.ts → kit/runtime/timers.ts');
});
