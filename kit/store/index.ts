export { type BatchReader, type BatchReaderOptions, createBatchReader } from './batch-reader.ts';
export { type BatchWriter, type BatchWriterOptions, createBatchWriter, type Verdict } from './batch-writer.ts';
export { createDatabase, type DatabaseOptions, type PooledDatabase } from './database.ts';
export {
  CommitOutcomeUnknown,
  DatabaseFull,
  DatabaseUnavailable,
  isConnectionLoss,
  isInexact,
  isTransient,
  isUniqueViolation,
  Overtaken,
  StoreOverloaded,
  sqlState,
} from './errors.ts';
export { type ExecuteSql, isMigrated, type MigrationResult, type Migrations, migrate, migrateWith } from './migrate.ts';
export { readInParts } from './read-in-parts.ts';
export { allWritten, createRecall, exactly, type Recall } from './recall.ts';
export { removeInParts } from './remove-in-parts.ts';
export { until } from './until.ts';
