import { createSession } from '#api';

const signedOutListeners: (() => void)[] = [];
let isSignedIn = $state(false);

const kept = createSession({
  name: 'storefront',
  device: deviceName(),
  onChange(now) {
    isSignedIn = now;
    if (!now) for (const listener of signedOutListeners) listener();
  },
});
isSignedIn = kept.signedIn;

/** Whether a customer is signed in, and ways to change that. */
export const session = {
  get signedIn(): boolean {
    return isSignedIn;
  },
  get sessionId(): string | undefined {
    return kept.sessionId;
  },
  token: kept.token,
  onTokenRefused: kept.onTokenRefused,
  signIn: kept.signIn,
  signOut: kept.signOut,
  forget: kept.forget,
  onSignedOut: (listener: () => void): void => void signedOutListeners.push(listener),
};

/** As the list of sessions calls this one: `Chrome on Linux`. */
function deviceName(): string {
  const agent = navigator.userAgent;
  const browser = /Firefox|Edg|OPR|Chrome|Safari/.exec(agent)?.[0] ?? 'Browser';
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0];
  const name = { Edg: 'Edge', OPR: 'Opera' }[browser] ?? browser;
  return system ? `${name} on ${system}` : name;
}
