export {
  checkLinearizable,
  checkObject,
  type LinearizableOptions,
  type ObjectReport,
  type PartitionedReport,
} from './check.ts';
export type { Call, Model } from './model.ts';
export {
  type RegisterInput,
  type RegisterOutput,
  register,
  type StockInput,
  type StockOutput,
  stock,
} from './models.ts';
export { checkVersions, type ValueAt, type VersionedAnswer } from './versioned.ts';
