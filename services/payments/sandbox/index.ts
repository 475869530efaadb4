export { createFaults, type Fault, type Faults } from './faults.ts';
export { createSandboxHttp, type SandboxHttpOptions } from './http.ts';
export { createFileJournal, createMemoryJournal, type FileJournalOptions, type Journal } from './journal.ts';
export type { Ledger } from './ledger.ts';
export type { Command, Intent, LedgerRecord, Movement, Refund } from './ledger-types.ts';
export { type CallReply, createSandbox, type Sandbox, type SandboxOptions } from './sandbox.ts';
export { type SandboxServer, type SandboxServerOptions, startSandboxServer } from './server.ts';
export { httpWebhook, signWebhook, verifySignature, type WebhookEndpoint } from './webhooks.ts';
export { doubleCharges, moneyByOrder, type OrderMoney } from './witness.ts';
