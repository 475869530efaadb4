/** As much of `ServiceWorkerRegistration` as this needs. */
interface Registration<Worker extends EventTarget> extends EventTarget {
  readonly installing: Worker | null;
  readonly waiting: Worker | null;
}

/**
 * Tells of every build that is here and waits to take over: also of one that was here, or on its way, before anybody listened,
 * as after a reload, where the browser looks for a newer one by itself.
 */
export function whenNewer<Worker extends EventTarget>(
  registration: Registration<Worker>,
  tell: (waiting: Worker) => void,
): void {
  const look = () => {
    if (registration.waiting) tell(registration.waiting);
  };
  const follow = () => registration.installing?.addEventListener('statechange', look);
  look();
  follow();
  registration.addEventListener('updatefound', follow);
}
