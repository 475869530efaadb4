export {
  defineSaga,
  type LocalStep,
  pivotOf,
  type Refusal,
  type RemoteStep,
  type SagaDefinition,
  type Step,
  type StepContext,
  type StepOutcome,
  type StepRetry,
  turningPointOf,
  type WaitStep,
} from './definition.ts';
export { createSagaEngine, type SagaEngine, type SagaEngineOptions } from './engine.ts';
export { isEnded, type JournalEntry, newSaga, type SagaRecord, type SagaStatus } from './record.ts';
export {
  abandonSaga,
  insertSagas,
  inspectSaga,
  listSagas,
  type OnAbandoned,
  releaseOwner,
  renewOwner,
  resumeSaga,
  SagaBusy,
  SagaFenced,
  type SagaListItem,
  type SagaWrite,
  sagaMigrations,
  takeOverSagas,
  writeOwnSagas,
  writeSagas,
} from './store.ts';
