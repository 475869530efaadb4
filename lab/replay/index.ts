export { createHttpShop, type HttpShop, type HttpShopOptions, type TokenSource } from './http-shop.ts';
export type * from './operations.ts';
export { createProgress, type Progress, type ProgressOptions, type ProgressOutput } from './progress.ts';
export { InputFileError } from './read.ts';
export type { Mismatch, MoneyRow, ReplayReport } from './reconcile.ts';
export { type ReplayOptions, type ReplayProgress, type ReplayResult, replay } from './replay.ts';
export { ShopUnavailable } from './retry.ts';
export * from './shop-api.ts';
export { ReplayStateError } from './state.ts';
