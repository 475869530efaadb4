export { chooseDataDir } from './data-dir.ts';
export { type DirectoryLock, lockDirectory } from './directory-lock.ts';
export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './errors.ts';
export { findFreePort, isPortFree } from './port.ts';
export { commandLine, identify, isAlive, type ProcessIdentity } from './process-identity.ts';
export { provisionDatabase, provisionDatabases, serverVersionMin } from './provision.ts';
export { openSecrets, type Secrets } from './secrets.ts';
export { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from './server.ts';
export { defaultSettings, type Settings, type SettingValue, volatileSettings } from './settings.ts';
