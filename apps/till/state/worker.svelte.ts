import { whenNewer } from './newer.ts';

/** The service worker: installed at the first visit, replaced when nothing is under way and a person says so. */

/** A till may be open for weeks. */
const lookPeriodMs = 3_600_000;

let waiting = $state.raw<ServiceWorker>();

export const worker = {
  /** A newer build is here and waits. */
  get isNewer(): boolean {
    return waiting !== undefined;
  },
  takeOver(): void {
    waiting?.postMessage('take-over');
  },
};

interface PolicyMaker {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): {
    createScriptURL(url: string): string;
  };
}

/** Where the browser wants proof that a script is meant (trusted types), this one is, and no other. */
function scriptUrl(): string {
  const url = `${import.meta.env.BASE_URL}sw.js`;
  const { trustedTypes } = globalThis as { trustedTypes?: PolicyMaker };
  return trustedTypes?.createPolicy('holdfast-worker', { createScriptURL: () => url }).createScriptURL(url) ?? url;
}

export async function installWorker(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  let isFirst = serviceWorker.controller === null;
  serviceWorker.addEventListener('controllerchange', () => {
    if (!isFirst) location.reload();
    isFirst = false;
  });
  const registration = await serviceWorker.register(scriptUrl(), {
    scope: import.meta.env.BASE_URL.replace(/\/$/, ''),
    updateViaCache: 'none',
  });
  whenNewer(registration, (worker) => {
    // Without one at work the first is no newer one.
    if (serviceWorker.controller) waiting = worker;
  });
  setInterval(() => void registration.update().catch(() => {}), lookPeriodMs);
}
