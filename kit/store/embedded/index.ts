export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './errors.ts';
export { type ProvisionOptions, provisionDatabase, serverVersionMin } from './provision.ts';
export { openSecrets, type Secrets } from './secrets.ts';
export { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from './server.ts';
export { defaultSettings, type Settings, type SettingValue, volatileSettings } from './settings.ts';
