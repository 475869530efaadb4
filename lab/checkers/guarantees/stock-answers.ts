import { defineCheck } from '../check.ts';
import type { Evidence } from '../history/evidence.ts';
import { checkVersions, type VersionedAnswer } from '../linearizable/index.ts';
import { accessesOf } from './accesses.ts';
import { levelsOf } from './units.ts';

const versioned = ({ operations }: Evidence): VersionedAnswer[] =>
  accessesOf(operations).map(({ operation, key, version, isWrite, value, startMs, endMs }) => ({
    id: operation,
    key,
    version,
    isWrite,
    value,
    startAt: startMs,
    endAt: endMs,
  }));

/**
 * Linearizable per SKU: each answer about stock names the version it saw, so it is right if the journal had that many
 * units at that version, and if it is not older than what anyone had been told before it was asked for.
 */
export const stockIsLinearizable = defineCheck({
  name: 'stock answers are linearizable per SKU',
  needs: [],
  size: (evidence) => versioned(evidence).length,
  find(evidence) {
    if (!evidence.movements) return checkVersions(versioned(evidence));
    const levels = levelsOf(evidence);
    return checkVersions(versioned(evidence), (sku, version) => (levels.get(sku) ?? [0])[version]);
  },
});
