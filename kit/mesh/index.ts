export type { Balancing } from '#kit/contract';
export type { HostNames } from './authority/certificate.ts';
export { type Authority, type AuthorityOptions, createAuthority, type Issued } from './authority/index.ts';
export {
  type CallOutcome,
  createEndpoint,
  type Endpoint,
  type EndpointOptions,
  isEjected,
  noteCall,
  noteProbe,
} from './balancing/endpoint.ts';
export { pick } from './balancing/pick.ts';
export { onlyAllowed } from './calls/admission.ts';
export { createMeshClient, type MeshClient, type MeshClientOptions } from './calls/client.ts';
export { createMeshServer, type MeshServerOptions } from './calls/server.ts';
export { shedLoad } from './calls/shed.ts';
export { createDirectory, type Directory, type DirectoryOptions } from './discovery/directory.ts';
export type { Instance, Registry, Snapshot } from './discovery/instance.ts';
export { createMemoryRegistry } from './discovery/memory-registry.ts';
export { createPostgresRegistry, registryMigrations } from './discovery/postgres-registry.ts';
export { type Credentials, createIdentity, type Identity, type IdentityOptions } from './identity/identity.ts';
export type { ProcessName } from './identity/name.ts';
export { meshProblems } from './problems.ts';
