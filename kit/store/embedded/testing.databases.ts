/** Databases that tests have made and not removed, by name. A process may run one test file after the other. */
export const testDatabases = new Map<string, { drop(): Promise<void> }>();
